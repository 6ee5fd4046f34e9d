import { expect } from 'chai'
import fc from 'fast-check'
import { createHash, createPrivateKey, createPublicKey, hkdfSync } from 'node:crypto'
import { createKernel, Identity } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { identity } from '#src/plugins/identity/index.js'

async function start(seed: Uint8Array<ArrayBuffer>): Promise<Identity> {
  const kernel = createKernel({ plugins: [identity.with({ seed })] })
  await kernel.start()
  return kernel.resolve(Identity)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('the key that two nodes share', () => {
  it('is the same on both sides, and another for each purpose and each pair', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, seeds, seeds, async (a, b, c) => {
        const [alice, bob, carol] = [await start(a), await start(b), await start(c)]
        fc.pre(new Set([alice.nodeId, bob.nodeId, carol.nodeId]).size === 3)
        const key = alice.sharedKey(bob.nodeId, 'test')
        expect(key).to.have.length(32)
        expect(hex(bob.sharedKey(alice.nodeId, 'test'))).to.equal(hex(key))
        const others = [
          alice.sharedKey(bob.nodeId, 'another'),
          alice.sharedKey(carol.nodeId, 'test'),
          carol.sharedKey(bob.nodeId, 'test')
        ]
        for (const other of others) expect(hex(other)).to.not.equal(hex(key))
      }),
      { numRuns: 25 }
    )
  })

  it('is X25519 of the mapped keys, by HKDF', async () => {
    const seed = new Uint8Array(32).fill(7)
    const alice = await start(seed)
    // The base point of Ed25519, which is mapped to that of X25519 (RFC 7748 §4.1): the secret is alice's public key.
    const base = NodeId.fromBytes(Buffer.from(`58${'66'.repeat(31)}`, 'hex'))
    const scalar = createHash('sha512').update(seed).digest().subarray(0, 32)
    const header = Buffer.from('302e020100300506032b656e04220420', 'hex')
    const mapped = createPrivateKey({ key: Buffer.concat([header, scalar]), format: 'der', type: 'pkcs8' })
    const secret = createPublicKey(mapped).export({ format: 'der', type: 'spki' }).subarray(-32)
    const ids = [alice.nodeId, base].sort().join('')
    expect(hex(alice.sharedKey(base, 'test'))).to.equal(
      hex(new Uint8Array(hkdfSync('sha256', secret, ids, 'peerloom test', 32)))
    )
  })

  it('is refused with ERR_INVALID_INPUT for a node id of small order', async () => {
    const alice = await start(new Uint8Array(32).fill(1))
    const small = [
      // y = 1, which is the neutral element, also written as 1 + p; y = −1, of order two; y = 0, of order four; of order 8.
      `01${'00'.repeat(31)}`,
      `ee${'ff'.repeat(30)}7f`,
      `ec${'ff'.repeat(30)}7f`,
      '00'.repeat(32),
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'
    ]
    for (const bytes of small) {
      const peer = NodeId.fromBytes(Buffer.from(bytes, 'hex'))
      expect(() => alice.sharedKey(peer, 'test'))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })
})
