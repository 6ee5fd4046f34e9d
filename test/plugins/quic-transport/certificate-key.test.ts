import { webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { expect } from 'chai'
import fc from 'fast-check'
import { ed25519KeyOf } from '#src/plugins/quic-transport/certificate-key.js'

async function certificate(algorithm: { name: string }, extensions: x509.Extension[] = []): Promise<Uint8Array> {
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const made = await x509.X509CertificateGenerator.createSelfSigned(
    { name: 'CN=test', keys, extensions, signingAlgorithm: algorithm },
    webcrypto
  )
  return new Uint8Array(made.rawData)
}

/** What node's own parser says. */
function keyByNode(der: Uint8Array): Buffer | undefined {
  try {
    const { x, crv } = new X509Certificate(der).publicKey.export({ format: 'jwk' })
    return crv === 'Ed25519' && x !== undefined ? Buffer.from(x, 'base64url') : undefined
  } catch {
    return undefined
  }
}

describe('the key of a certificate', () => {
  let good: Uint8Array
  before(async () => (good = await certificate({ name: 'Ed25519' })))

  it('is what node reads', () => {
    expect(Buffer.from(ed25519KeyOf(good)!)).to.deep.equal(keyByNode(good))
  })

  it('is none if it is not an Ed25519 key, even with one elsewhere in the certificate', async () => {
    const at = Buffer.from(good).indexOf(Buffer.from('302a300506032b6570032100', 'hex'))
    const decoy = new x509.Extension('1.2.3.4', false, good.slice(at, at + 44))
    const ecdsa = await certificate({ name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as { name: string }, [
      decoy
    ])
    expect(Buffer.from(ecdsa).includes(Buffer.from(good.slice(at, at + 44)))).to.equal(true)
    expect(ed25519KeyOf(ecdsa)).to.equal(undefined)
  })

  it('is never another than what node reads, whatever the bytes', () => {
    const damage = fc.record({
      at: fc.nat({ max: good.length - 1 }),
      bytes: fc.uint8Array({ minLength: 0, maxLength: 4 }),
      end: fc.nat({ max: good.length + 4 })
    })
    fc.assert(
      fc.property(damage, ({ at, bytes, end }) => {
        const bad = new Uint8Array(Math.max(end, at + bytes.length))
        bad.set(good.subarray(0, bad.length))
        bad.set(bytes, at)
        const ours = ed25519KeyOf(bad)
        const theirs = keyByNode(bad)
        if (ours !== undefined && theirs !== undefined) expect(Buffer.from(ours)).to.deep.equal(theirs)
      }),
      { numRuns: 2_000 }
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(ed25519KeyOf(bytes)).to.equal(undefined)
      })
    )
  })
})
