import type { Figure } from '../suite.js'
import type { Caller } from './contender.js'

/** What a client process measures against a server process. `amount` is said for each. */
export type Measure = (caller: Caller, amount: number, budgetMs: number) => Promise<Figure>

const MIB = 2 ** 20
/** The share of the time that is spent on warming up. */
const WARM_UP = 0.3
/** Calls between two looks at the time, one after another. */
const LOOK = 16

/** Calls a second, `amount` being under way all the time. */
const calls: Measure = async (caller, amount, budgetMs) => {
  await concurrently(caller, amount, budgetMs * WARM_UP)
  const begun = performance.now()
  const count = await concurrently(caller, amount, budgetMs)
  return { value: (count * 1_000) / (performance.now() - begun), count }
}

/** Messages a second that go there and back in calls of `amount` messages each. */
const exchanges: Measure = (caller, amount, budgetMs) => streams(caller.exchange?.bind(caller), amount, budgetMs)

/** Messages a second that come in calls of `amount` messages each. */
const items: Measure = (caller, amount, budgetMs) => streams(caller.items?.bind(caller), amount, budgetMs)

/**
 * The time in milliseconds that 99 of 100 calls do not exceed, one after another, while `amount` MiB, or what goes in the
 * budget, are sent over the same connection.
 */
const callsUnderBulk: Measure = async (caller, amount, budgetMs) => {
  await concurrently(caller, 1, (budgetMs * WARM_UP) / 2)
  const stop = new AbortController()
  if (caller.pour === undefined) throw new Error('it sends no bytes')
  const state = { pouring: true }
  const poured = caller.pour(amount * MIB, stop.signal).finally(() => (state.pouring = false))
  poured.catch(() => undefined)
  const begun = performance.now()
  const until = begun + budgetMs
  const times: number[] = []
  for (let now = begun; state.pouring && now < until;) {
    await caller.call()
    const then = performance.now()
    // The first moments are for warming up, in which the windows open too.
    if (then - begun > (budgetMs * WARM_UP) / 2) times.push(then - now)
    now = then
  }
  stop.abort()
  await poured
  times.sort((a, b) => a - b)
  const value = times[Math.ceil(times.length * 0.99) - 1]
  if (value === undefined) throw new Error('the bytes were gone before a call was answered')
  return { value, count: times.length }
}

export const measures: Readonly<Record<string, Measure>> = { calls, exchanges, items, callsUnderBulk }

async function concurrently(caller: Caller, amount: number, budgetMs: number): Promise<number> {
  const until = performance.now() + budgetMs
  let count = 0
  const one = async (): Promise<void> => {
    do {
      for (let i = 0; i < LOOK; i++) await caller.call()
      count += LOOK
    } while (performance.now() < until)
  }
  await Promise.all(Array.from({ length: amount }, one))
  return count
}

async function streams(
  stream: ((count: number) => Promise<void>) | undefined,
  amount: number,
  budgetMs: number
): Promise<Figure> {
  if (stream === undefined) throw new Error('it has no such calls')
  const repeat = async (ms: number): Promise<Figure> => {
    const begun = performance.now()
    let count = 0
    let spent = 0
    do {
      await stream(amount)
      count += amount
      spent = performance.now() - begun
    } while (spent < ms)
    return { value: (count * 1_000) / spent, count }
  }
  await repeat(budgetMs * WARM_UP)
  return repeat(budgetMs)
}
