import type { Nodes } from './nodes.js'
import type { Case, Figure, Turn, Variant } from './suite.js'

/** Who takes part in a case. */
export interface Contestant {
  readonly role: 'ours' | 'peer' | 'also' | 'limit'
  readonly name: string
  /** The Node that runs it. */
  readonly node: string
  readonly figures: Figure[]
  /** Why it could not run, if it could not; it then has no figures. */
  error?: unknown
}

interface Settings {
  readonly rounds: number
  readonly quick: boolean
  readonly peers: ReadonlySet<string>
}

/**
 * Everyone runs in turn, round by round, so that a slow moment of the machine falls on all alike. A peer that fails is
 * out of the case from then on; rejects if ours fails.
 */
export async function runCase(
  { ours, peers, also = {}, limit, turns = 1, node = 'bench' }: Case,
  { rounds, quick, peers: wanted }: Settings,
  nodes: Nodes
): Promise<Contestant[]> {
  const entered: [Contestant, Variant][] = []
  const enter = (role: Contestant['role'], name: string, variant: Variant, node: string): void =>
    void entered.push([{ role, name, node, figures: [] }, variant])
  enter('ours', 'ours', ours, nodes[node])
  for (const [name, variant] of Object.entries(peers)) if (wanted.has(name)) enter('peer', name, variant, nodes[node])
  for (const [name, variant] of Object.entries(also)) enter('also', name, variant, nodes.bench)
  if (limit !== undefined) enter('limit', limit.what, limit.measure, nodes.bench)
  for (let i = 0; i < rounds * turns; i++) {
    for (const [contestant, variant] of entered) await takeTurn(contestant, variant, { node: contestant.node, quick })
  }
  return entered.map(([contestant]) => contestant)
}

async function takeTurn(contestant: Contestant, variant: Variant, turn: Turn): Promise<void> {
  if (contestant.error !== undefined) return
  try {
    contestant.figures.push(await variant(turn))
  } catch (error) {
    if (contestant.role !== 'peer') throw error
    contestant.error = error
    contestant.figures.length = 0
  }
}
