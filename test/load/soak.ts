// Whether connections keep their promises when everything happens at once, for as long as one likes:
//   npm run -s test:soak -- --seconds 120 [--seed N]
// Says how it went in one line of JSON, and what did not hold on stderr; exits with 1 then.
import { parseArgs } from 'node:util'
import { sleep, systemClock, withDeadline } from '#src/kernel/index.js'
import { ACTIONS, choose } from './soak/actions.js'
import type { Tally } from './soak/pair.js'
import { handles, heapBytes } from './soak/process.js'
import { World } from './soak/world.js'

/** Actions under way at a time. */
const MAX_ACTIONS = 100
const MAX_PAUSE_MS = 4
/** How long the streams that are under way at the end may take, and those of which a reset or a stop may be lost. */
const SETTLE_MS = 30_000
const PATIENCE_MS = 3_000
const POLL_MS = 20
/** After so long everything that is loaded or compiled but once has been. */
const REHEARSAL_MS = 2_000
/** By how much the heap may have grown. */
const HEAP_TOLERANCE_BYTES = 2 * 2 ** 20
/** The share of resets and stops that may go unheard: quiche does not always send again what was lost. */
const UNHEARD_SHARE = 0.05
/** The share of resets that may look like an end. */
const AS_END_SHARE = 0.01
const MAX_COMPLAINTS = 20

interface Run {
  readonly actions: Readonly<Record<string, number>>
  readonly moves: World['moves']
  readonly tally: Tally
  readonly complaints: string[]
}

async function soak(ms: number, seed: number): Promise<Run> {
  const world = await World.create(seed)
  const { complaints, random } = world
  const actions = Object.fromEntries(ACTIONS.map(({ name }) => [name, 0]))
  const running = new Set<Promise<void>>()
  const end = systemClock.monotonic() + ms
  while (systemClock.monotonic() < end && complaints.length < MAX_COMPLAINTS) {
    const { name, act } = choose(random)
    actions[name] = (actions[name] ?? 0) + 1
    const done = act(world)
      .catch((error: unknown) => void complaints.push(`${name}: ${String(error)}`))
      .then(() => void running.delete(done))
    running.add(done)
    if (running.size >= MAX_ACTIONS && !(await settles(Promise.race(running), SETTLE_MS))) break
    await sleep(systemClock, random.int(MAX_PAUSE_MS))
  }
  if (running.size >= MAX_ACTIONS && systemClock.monotonic() < end) complaints.push('nothing moves any more')
  const due = systemClock.monotonic() + SETTLE_MS
  while (world.pending.length > 0 && systemClock.monotonic() < due) await sleep(systemClock, POLL_MS)
  complaints.push(...world.pending)
  await settles(Promise.all(running), PATIENCE_MS)
  const tally = await world.stop()
  await Promise.all(running)
  return { actions, moves: world.moves, tally, complaints }
}

function settles(work: Promise<unknown>, ms: number): Promise<boolean> {
  return withDeadline(systemClock, ms, () => work).then(
    () => true,
    () => false
  )
}

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } })
const seconds = Number(values.seconds ?? 10)
const seed = Number(values.seed ?? 1)

await soak(REHEARSAL_MS, seed)
const before = { heap: heapBytes(), handles: handles() }
const { actions, moves, tally, complaints } = await soak(seconds * 1_000, seed)
const after = { heap: heapBytes(), handles: handles() }

const streams = Object.values(actions).reduce((sum, count) => sum + count, 0)
if (tally.unheardGivingUp > Math.max(1, UNHEARD_SHARE * streams))
  complaints.push('too many resets or stops went unheard')
if (tally.resetsAsEnds > Math.max(1, AS_END_SHARE * streams)) complaints.push('too many resets were taken for an end')
if (moves.failed > moves.made) complaints.push('most moves to a path that works have failed')
if (after.heap > before.heap + HEAP_TOLERANCE_BYTES) complaints.push('the heap has grown')
if (JSON.stringify(after.handles) !== JSON.stringify(before.handles)) complaints.push('handles are left')

for (const complaint of complaints.slice(0, MAX_COMPLAINTS)) process.stderr.write(`${complaint}\n`)
const report = { seconds, seed, actions, moves, ...tally, before, after, complaints: complaints.length }
process.stdout.write(`${JSON.stringify(report)}\n`)
process.exitCode = complaints.length === 0 ? 0 : 1
