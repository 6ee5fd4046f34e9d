import { expect } from 'chai'
import fc from 'fast-check'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKernel, Identity } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { identity, type IdentityOptions } from '#src/plugins/identity/index.js'
import { VirtualClock } from '#src/testkit/index.js'

const DAY_MS = 86_400_000

async function start(options: IdentityOptions = {}, clock = new VirtualClock()): Promise<Identity> {
  const kernel = createKernel({ plugins: [identity.with(options)], clock })
  await kernel.start()
  return kernel.resolve(Identity)
}

const failureOf = (options: IdentityOptions): Promise<unknown> => start(options).catch((error: unknown) => error)

describe('identity', () => {
  it('is new at each start if it has no file', async () => {
    expect((await start()).nodeId).to.not.equal((await start()).nodeId)
  })

  it('is the public key of its seed', async () => {
    // RFC 8032 §7.1, test 2.
    const seed = Buffer.from('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'hex')
    const ours = await start({ seed })
    expect(Buffer.from(NodeId.toBytes(ours.nodeId)).toString('hex')).to.equal(
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
    )
    expect(Buffer.from(ours.sign(Uint8Array.of(0x72))).toString('hex')).to.equal(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
    )
  })

  it('is the same after a restart with the same file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'peerloom-identity-'))
    try {
      const keyFile = join(directory, 'key.pem')
      expect((await start({ keyFile })).nodeId).to.equal((await start({ keyFile })).nodeId)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('refuses a file that it cannot use with ERR_IDENTITY', async () => {
    const error = await failureOf({ keyFile: tmpdir() })
    expect(error).to.have.property('code', 'ERR_START')
    expect((error as Error).cause).to.have.property('code', 'ERR_IDENTITY')
  })

  it('refuses to be another node than the one that is named', async () => {
    const seed = new Uint8Array(32)
    const { nodeId } = await start({ seed })
    expect((await start({ seed, nodeId })).nodeId).to.equal(nodeId)
    for (const options of [{ nodeId }, { seed: new Uint8Array(32).fill(1), nodeId }]) {
      expect(((await failureOf(options)) as Error).cause).to.have.property('code', 'ERR_IDENTITY')
    }
  })

  it('refuses a configuration that makes no sense', async () => {
    for (const options of [
      { keyFile: '' },
      { seed: new Uint8Array(31) },
      { seed: new Uint8Array(32), keyFile: 'key.pem' },
      { keyfile: 'key.pem' },
      { nodeId: 'nobody' },
      { certificateValidityMs: 1_000, renewBeforeMs: 1_000 },
      { renewBeforeMs: -1 }
    ]) {
      expect(await failureOf(options)).to.have.property('code', 'ERR_CONFIG')
    }
  })

  it('does not repeat a seed that it refuses', async () => {
    const error = (await failureOf({ seed: 'deadbeef' as never })) as Error
    expect(error.message).to.contain('identity: seed: expected a Uint8Array of 32 bytes').and.not.to.contain('deadbeef')
  })

  it('verifies what it signed, and nothing else', async () => {
    const ours = await start()
    const other = await start()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(63), fc.integer({ min: 1, max: 255 }), (data, at, flip) => {
        const signature = ours.sign(data)
        expect(signature).to.have.length(64)
        expect(other.verify(ours.nodeId, data, signature)).to.equal(true)
        expect(other.verify(other.nodeId, data, signature)).to.equal(false)
        expect(other.verify(ours.nodeId, Uint8Array.of(...data, 0), signature)).to.equal(false)
        signature[at]! ^= flip
        expect(other.verify(ours.nodeId, data, signature)).to.equal(false)
      }),
      { numRuns: 50 }
    )
  })

  it('never throws on a malformed signature', async () => {
    const ours = await start()
    const data = Uint8Array.of(1)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (signature) => {
        expect(ours.verify(ours.nodeId, data, signature)).to.equal(false)
      })
    )
    for (const signer of [
      '',
      'v',
      ours.nodeId.slice(1),
      NodeId.fromBytes(new Uint8Array(32).fill(255)),
      undefined,
      7
    ]) {
      expect(ours.verify(signer as NodeId, data, new Uint8Array(64))).to.equal(false)
    }
    expect(ours.verify(ours.nodeId, null as never, 'text' as never)).to.equal(false)
  })
})

describe('certificate', () => {
  it('is self-signed, holds the node id as its key, and fits its private key', async () => {
    const clock = new VirtualClock()
    const ours = await start({}, clock)
    const { certificatePem, privateKeyPem, expires } = await ours.certificate()
    const parsed = new X509Certificate(certificatePem)
    const { x = '' } = parsed.publicKey.export({ format: 'jwk' })
    expect(NodeId.fromBytes(Buffer.from(x, 'base64url'))).to.equal(ours.nodeId)
    expect(parsed.verify(parsed.publicKey)).to.equal(true)
    expect(parsed.subject).to.equal(`CN=${ours.nodeId}`)
    expect(parsed.checkPrivateKey(createPrivateKey(privateKeyPem))).to.equal(true)
    expect(Date.parse(parsed.validTo)).to.equal(expires)
    expect(expires).to.equal(clock.now() + 365 * DAY_MS)
    expect(Date.parse(parsed.validFrom)).to.equal(clock.now() - DAY_MS)
  }).timeout(10_000)

  it('is made once, even when many ask at the same time', async () => {
    const ours = await start()
    const [first, ...others] = await Promise.all(Array.from({ length: 10 }, () => ours.certificate()))
    for (const other of others) expect(other).to.equal(first)
    expect(await ours.certificate()).to.equal(first)
  })

  it('has a serial number of its own', async () => {
    const seed = new Uint8Array(32)
    const serials = new Set<string>()
    for (let i = 0; i < 5; i++) {
      const { certificatePem } = await (await start({ seed })).certificate()
      serials.add(new X509Certificate(certificatePem).serialNumber)
    }
    expect(serials.size).to.equal(5)
  })

  it('is made anew when less than thirty days are left', async () => {
    const clock = new VirtualClock()
    const ours = await start({}, clock)
    const first = await ours.certificate()
    await clock.advance(335 * DAY_MS)
    expect(await ours.certificate()).to.equal(first)
    await clock.advance(1)
    const second = await ours.certificate()
    expect(second.expires).to.be.greaterThan(first.expires)
    expect(await ours.certificate()).to.equal(second)
  })

  it('is valid, and made anew, for as long as one likes', async () => {
    const clock = new VirtualClock()
    const ours = await start({ certificateValidityMs: 60_000, renewBeforeMs: 10_000 }, clock)
    const first = await ours.certificate()
    expect(first.expires).to.be.within(clock.now() + 59_000, clock.now() + 60_000)
    await clock.advance(45_000)
    expect(await ours.certificate()).to.equal(first)
    await clock.advance(10_000)
    expect((await ours.certificate()).expires).to.be.greaterThan(first.expires)
  })

  it('holds virtual time while it is made', async () => {
    const clock = new VirtualClock()
    const ours = await start({}, clock)
    const made = ours.certificate()
    await clock.advance(1)
    // Had time gone on without waiting, this would find the promise pending.
    expect(await Promise.race([made, Promise.resolve()])).to.equal(await made)
  })
})
