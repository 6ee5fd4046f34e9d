import { expect } from 'chai'
import fc from 'fast-check'
import { NodeId } from '#src/model/index.js'
import { dialsPrevail, SIMULTANEOUS_MS, supersedes } from '#src/plugins/connection-pool/arbiter.js'

interface Dialled {
  readonly by: NodeId
  readonly n: number
}

/** The connection that one side is left with when connections arrive in this order. */
function keptBy(side: NodeId, peer: NodeId, arrivals: readonly Dialled[], delays: readonly number[]): Dialled {
  const seen = arrivals.map((dialled, i) => ({
    dialled,
    direction: dialled.by === side ? ('outbound' as const) : ('inbound' as const),
    openedAt: delays[i] ?? 0
  }))
  return seen.reduce((current, newcomer) => (supersedes(side, peer, current, newcomer) ? newcomer : current)).dialled
}

/** Merges two lists as the coin flips say, keeping the order within each. */
function interleave(a: readonly Dialled[], b: readonly Dialled[], coins: readonly boolean[]): Dialled[] {
  const [restA, restB] = [[...a], [...b]]
  const merged: Dialled[] = []
  for (let i = 0; restA.length + restB.length > 0; i++) {
    const fromA = restB.length === 0 || (restA.length > 0 && coins[i % coins.length] === true)
    merged.push((fromA ? restA : restB).shift()!)
  }
  return merged
}

const node = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(NodeId.fromBytes)
const coins = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 })
const delays = fc.array(fc.integer({ min: 0, max: SIMULTANEOUS_MS }), { maxLength: 12 })

describe('which of two connections stays', () => {
  it('is the same for both sides, whoever dialled and in whatever order they see it', () => {
    fc.assert(
      fc.property(node, node, fc.nat(4), fc.nat(4), coins, coins, delays, delays, (a, b, countA, countB, ...seen) => {
        fc.pre(a !== b && countA + countB > 0)
        const byA = Array.from({ length: countA }, (_, n) => ({ by: a, n }))
        const byB = Array.from({ length: countB }, (_, n) => ({ by: b, n }))
        const atA = keptBy(a, b, interleave(byA, byB, seen[0]), seen[2])
        const atB = keptBy(b, a, interleave(byA, byB, seen[1]), seen[3])
        expect(atA).to.equal(atB)
        // And it is the newest that the smaller node dialled, if that dialled at all.
        const smaller = a < b ? byA : byB
        if (smaller.length > 0) expect(atA).to.equal(smaller.at(-1))
      })
    )
  })

  it('compares node ids as bytes', () => {
    fc.assert(
      fc.property(node, node, (a, b) => {
        expect(dialsPrevail(a, b)).to.equal(Buffer.compare(NodeId.toBytes(a), NodeId.toBytes(b)) < 0)
      })
    )
  })

  it('is the inbound one of a peer that cannot have ours any more', () => {
    const [small, large] = [NodeId.fromBytes(new Uint8Array(32)), NodeId.fromBytes(new Uint8Array(32).fill(1))]
    const ours = { direction: 'outbound', openedAt: 0 } as const
    const inbound = (openedAt: number) => ({ direction: 'inbound', openedAt }) as const
    expect(supersedes(small, large, ours, inbound(SIMULTANEOUS_MS))).to.equal(false)
    expect(supersedes(small, large, ours, inbound(SIMULTANEOUS_MS + 1))).to.equal(true)
    expect(supersedes(large, small, ours, inbound(0))).to.equal(true)
  })
})
