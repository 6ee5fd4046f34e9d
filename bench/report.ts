import type { Contestant } from './run.js'
import { median, significant, spread, timesBetter } from './statistics.js'
import type { Case } from './suite.js'

/** A case's outcome. Figures are medians over the rounds. */
export interface Result {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly peers: Readonly<Record<string, number>>
  /** How many times better ours is than each peer. */
  readonly ratios: Readonly<Record<string, number>>
  readonly limit?: { readonly what: string; readonly value: number; readonly share: number }
  /** Ours in other circumstances. */
  readonly also?: Readonly<Record<string, number>>
  /** Peers that take no part in this case, and why. */
  readonly without?: Readonly<Record<string, string>>
  /** The least and the greatest figure of each. */
  readonly spread: Readonly<Record<string, readonly [number, number]>>
  /** The operations that each did in all. */
  readonly counts: Readonly<Record<string, number>>
  /** The version of Node that each ran on. */
  readonly nodes: Readonly<Record<string, string>>
}

export interface Report {
  readonly suite: string
  readonly rounds: number
  readonly node: string
  readonly cpus: number
  readonly results: readonly Result[]
  /** Peers that could not run, and why. */
  readonly failed: Readonly<Record<string, string>>
}

/** Boils the figures of a case down. */
export function makeResult(
  { name, unit, better, without }: Case,
  contestants: readonly Contestant[],
  versionOf: (node: string) => string
): Result {
  const ran = contestants.filter(({ error }) => error === undefined)
  const values = (contestant: Contestant): number[] => contestant.figures.map(({ value }) => value)
  const each = <T>(make: (contestant: Contestant) => T, among = ran): Record<string, T> =>
    Object.fromEntries(among.map((contestant) => [contestant.name, make(contestant)]))
  const inRole = (role: Contestant['role']): Contestant[] => ran.filter((contestant) => contestant.role === role)
  const middle = (contestant: Contestant): number => median(values(contestant))
  const [ours] = inRole('ours').map(middle)
  if (ours === undefined) throw new RangeError(`${name}: ours did not run`)
  const [limit] = inRole('limit')
  const compared = (contestant: Contestant): number => significant(timesBetter(better, ours, middle(contestant)))
  return {
    name,
    unit,
    ours: significant(ours),
    peers: each((peer) => significant(middle(peer)), inRole('peer')),
    ratios: each(compared, inRole('peer')),
    ...(limit === undefined
      ? {}
      : { limit: { what: limit.name, value: significant(middle(limit)), share: compared(limit) } }),
    ...(inRole('also').length === 0 ? {} : { also: each((also) => significant(middle(also)), inRole('also')) }),
    ...(without === undefined ? {} : { without }),
    spread: each((contestant) => spread(values(contestant))),
    counts: each(({ figures }) => figures.reduce((sum, { count }) => sum + count, 0)),
    nodes: each(({ node }) => versionOf(node))
  }
}

/** A report for a person. */
export function toTable({ suite, rounds, node, cpus, results, failed }: Report): string {
  const rows = results.flatMap(({ name, unit, ours, peers, ratios, limit, also = {}, spread, counts, nodes }) => {
    const row = (who: string, value: number, ratio: string): string[] => [
      who === 'ours' ? name : '',
      who,
      `${format(value)} ${unit}`,
      (spread[who] ?? []).map(format).join(' – '),
      ratio,
      format(counts[who] ?? 0),
      nodes[who] ?? ''
    ]
    return [
      row('ours', ours, ''),
      ...Object.entries(peers).map(([peer, value]) => row(peer, value, `${format(ratios[peer] ?? NaN)} × as good`)),
      ...Object.entries(also).map(([who, value]) => row(who, value, '')),
      ...(limit === undefined ? [] : [row(limit.what, limit.value, `${format(limit.share)} of the limit`)])
    ]
  })
  const head = ['case', 'who', 'median', 'spread', 'ours is', 'count', 'Node']
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [
    `${suite}: ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, Node ${node}, ${cpus} CPUs`,
    '',
    line(head),
    ...rows.map(line),
    ...results.flatMap(({ name, without = {} }) =>
      Object.entries(without).map(([peer, why]) => `\n${name} is without ${peer}: it ${why}`)
    ),
    ...Object.entries(failed).map(([peer, why]) => `\n${peer} could not run: ${why}`)
  ].join('\n')
}

function format(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: Math.abs(value) >= 1_000 ? 21 : 3 })
}
