import { parseArgs } from 'node:util'
import type { Suite } from './suite.js'

/** What the command line asks for. Without a suite, peers are installed and nothing is measured. */
export interface Options {
  readonly suite: Suite | undefined
  readonly json: boolean
  readonly rounds: number
  readonly peers: ReadonlySet<string>
  readonly quick: boolean
  readonly install: boolean
}

export class UsageError extends Error {}

const ROUNDS = 5
const QUICK_ROUNDS = 3
const MAX_ROUNDS = 1_000

/** Throws a {@link UsageError} that says what is wrong. */
export function parseOptions(argv: readonly string[], suites: readonly Suite[]): Options {
  const { values, positionals } = parse(argv)
  const { json = false, quick = false, install = false } = values
  const [name, ...more] = positionals
  if (more.length > 0) throw new UsageError(`one suite at a time, not ${positionals.join(' and ')}`)
  const suite = suites.find((suite) => suite.name === name)
  if (suite === undefined && (name !== undefined || !install)) {
    const known = suites.map((suite) => suite.name).join(', ')
    throw new UsageError(name === undefined ? `name a suite: ${known}` : `no such suite: ${name} (there is ${known})`)
  }
  const rounds = Number(values.rounds ?? (quick ? QUICK_ROUNDS : ROUNDS))
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MAX_ROUNDS) {
    throw new UsageError(`--rounds takes a whole number from 1 to ${MAX_ROUNDS}, not ${values.rounds ?? ''}`)
  }
  return { suite, json, rounds, quick, install, peers: choosePeers(values.peers, suite) }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        quick: { type: 'boolean' },
        install: { type: 'boolean' },
        rounds: { type: 'string' },
        peers: { type: 'string' }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** All of a suite's peers unless some are named; `none` is nobody, for a look at ours alone. */
function choosePeers(wanted: string | undefined, suite: Suite | undefined): Set<string> {
  const all = new Set(suite?.cases.flatMap(({ peers }) => Object.keys(peers)))
  if (wanted === undefined) return all
  if (wanted === 'none') return new Set()
  const chosen = new Set(wanted.split(',').map((name) => name.trim()))
  for (const name of chosen) {
    if (!all.has(name)) throw new UsageError(`no such peer: ${name} (there is ${[...all, 'none'].join(', ')})`)
  }
  return chosen
}
