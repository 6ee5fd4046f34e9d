import { getEventListeners, setMaxListeners } from 'node:events'
import { sleep, systemClock } from '#src/kernel/index.js'
import { seededRandom } from '#src/testkit/index.js'
import { make, type Outcome } from './caller.js'
import { Ledger, methodsOf } from './methods.js'
import { makePlan } from './plan.js'
import { createWorld } from './world.js'

/** Calls under way at a time. */
const AT_A_TIME = 200
/** How long what is over for its caller may take to be over everywhere. */
const SETTLE_MS = 30_000
const POLL_MS = 20
const MAX_COMPLAINTS = 20
/** How long a connection takes to be at rest. */
const REST_MS = 500

export interface CallsOptions {
  readonly calls: number
  readonly seed: number
  /** The application protocol (ALPN), and with it the wire. */
  readonly protocol: string
}

export interface CallsReport {
  readonly outcomes: Readonly<Record<Outcome, number>>
  /** Calls that reached their handler. */
  readonly served: number
  readonly lostPackets: number
  readonly complaints: string[]
}

/** Makes calls of all kinds, most of which meet some trouble, and checks that each ends once and as it should. */
export async function runCalls({ calls, seed, protocol }: CallsOptions): Promise<CallsReport> {
  const complaints: string[] = []
  const complain = (what: string): void => {
    if (complaints.length < MAX_COMPLAINTS) complaints.push(what)
  }
  const world = await createWorld(seed, protocol)
  const random = seededRandom(~seed)
  const ledger = new Ledger(complain)
  const methods = methodsOf(ledger)
  world.callee.register(methods)
  const remote = world.caller.client(world.connection, methods)
  const { signal: lasting } = new AbortController()
  setMaxListeners(0, lasting)
  const outcomes = { answered: 0, failed: 0, 'timed out': 0, cancelled: 0, left: 0 }
  await remote.unary({ id: -1, fate: 'answer', size: 1, slowMs: 0 })
  await sleep(systemClock, REST_MS)
  const timersBefore = world.timers
  const servedBefore = ledger.ended

  let next = 0
  const worker = async (): Promise<void> => {
    while (next < calls && complaints.length < MAX_COMPLAINTS) {
      const plan = makePlan(next++, random)
      try {
        const outcome = await make(plan, remote, lasting)
        outcomes[outcome]++
        // Who was answered was served; who gave up may have done so before the call arrived.
        if (outcome === 'answered' && !ledger.has(plan.id)) complain(`call ${plan.id} was answered by nobody`)
      } catch (error) {
        complain(`call ${plan.id}: ${String(error)}: ${JSON.stringify(plan)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))

  const left = (): string[] =>
    Object.entries({
      handlers: ledger.running,
      streams: world.streams,
      timers: Math.max(0, world.timers - timersBefore),
      listeners: getEventListeners(lasting, 'abort').length
    }).flatMap(([what, count]) => (count > 0 ? [`${count} ${what} are left`] : []))
  const due = systemClock.monotonic() + SETTLE_MS
  while (left().length > 0 && systemClock.monotonic() < due) await sleep(systemClock, POLL_MS)
  for (const what of left()) complain(what)

  const made = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
  if (complaints.length === 0 && made !== calls) complain(`${made} of ${calls} calls ended`)
  const { lostPackets } = world.connection.stats()
  await world.stop()
  return { outcomes, served: ledger.ended - servedBefore, lostPackets, complaints }
}
