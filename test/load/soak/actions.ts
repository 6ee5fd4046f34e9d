import { sleep, systemClock, type Random } from '#src/kernel/index.js'
import type { Plan } from './pair.js'
import type { Intention } from './way.js'
import type { World } from './world.js'

export interface Action {
  readonly name: string
  /** How often it is chosen, beside the others. */
  readonly weight: number
  /** Resolves when all that it began is over; rejects if something did not hold. */
  readonly act: (world: World) => Promise<unknown>
}

const APPLICATION_CODE = 0x1000
const CODES = 0x100
const MAX_CUT_MS = 800
const MAX_STALL_MS = 500
const LARGE_PIECE_BYTES = 32 * 1024
const MAX_PIECES = 200
/** How much a way carries: mostly little. */
const SIZES: readonly (readonly [share: number, most: number])[] = [
  [0.7, 2_000],
  [0.95, 60_000],
  [1, 600_000]
]

let ways = 0
let cut = false

/** Everything that happens. What else a connection can do is one line more. */
export const ACTIONS: readonly Action[] = [
  { name: 'exchange', weight: 300, act: (world) => run(world, {}) },
  { name: 'reset', weight: 100, act: (world) => run(world, { reset: true }) },
  { name: 'stop', weight: 100, act: (world) => run(world, { stop: true }) },
  { name: 'reset and stop', weight: 50, act: (world) => run(world, { reset: true, stop: true }) },
  { name: 'stalled reader', weight: 50, act: (world) => run(world, { stall: true }) },
  { name: 'migrate', weight: 10, act: (world) => world.migrate() },
  { name: 'stalled link', weight: 1, act: stallLink },
  // So often that no connection wears out: of a stream that is reset quiche never gives back all of the window.
  { name: 'redial', weight: 6, act: redial }
]

/** One of the actions, by their weights. */
export function choose(random: Random, actions: readonly Action[] = ACTIONS): Action {
  let at = random.int(actions.reduce((sum, { weight }) => sum + weight, 0))
  return actions.find(({ weight }) => (at -= weight) < 0) as Action
}

interface Troubles {
  readonly reset?: boolean
  readonly stop?: boolean
  readonly stall?: boolean
}

/** A stream of either side on any connection, with trouble in one direction or in both. */
async function run(world: World, troubles: Troubles): Promise<void> {
  const { random } = world
  const where = random.int(3)
  const plan: Plan = {
    there: intend(random, where === 1 ? {} : troubles),
    back: intend(random, where === 0 ? {} : troubles)
  }
  await world.pick().run(world.side(), plan)
}

function intend(random: Random, { reset, stop, stall }: Troubles): Intention {
  const share = random.float()
  const [, most = 1] = SIZES.find(([upTo]) => share < upTo) ?? []
  const bytes = 1 + random.int(most)
  const within = (): number => random.int(bytes + 1)
  return {
    way: ways++,
    bytes: reset ? within() : bytes,
    pieceBytes: Math.ceil(bytes / MAX_PIECES) + random.int(Math.min(bytes, LARGE_PIECE_BYTES)),
    ...(reset && { resetCode: codeFrom(random) }),
    ...(stop && { stop: { after: within(), code: codeFrom(random) } }),
    ...(stall && { stall: { after: within(), ms: random.int(MAX_STALL_MS) } })
  }
}

function redial(world: World): Promise<void> {
  return world.redial(codeFrom(world.random), `reason ${world.random.int(1_000)}`)
}

async function stallLink(world: World): Promise<void> {
  if (cut) return
  cut = true
  const heal = world.cut()
  await sleep(systemClock, world.random.int(MAX_CUT_MS))
  heal()
  cut = false
}

function codeFrom(random: Random): number {
  return APPLICATION_CODE + random.int(CODES)
}
