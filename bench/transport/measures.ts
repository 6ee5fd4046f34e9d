import type { Figure } from '../suite.js'
import type { Connect, Line } from './contender.js'
import { memory, memoryOf, send } from './exchange.js'

/** What a client process measures against a server process. `amount` is said for each. */
export type Measure = (connect: Connect, amount: number, budgetMs: number) => Promise<Figure>

const MIB = 2 ** 20
/** Connections that are being made at a time. */
const AT_ONCE = 16
/** One in so many idle connections is asked whether it lives. */
const CHECKED = 50
/** The share of the time that is spent on warming up. */
const WARM_UP = 0.3

/** Megabytes (10⁶ bytes) a second in transfers of `amount` MiB, each on a stream of its own. */
const bulk: Measure = async (connect, amount, budgetMs) => {
  const line = await connect()
  const transfer = async (): Promise<void> => send(await line.open(), amount * MIB)
  await repeat(transfer, budgetMs * WARM_UP)
  const { ms, count } = await repeat(transfer, budgetMs)
  return { value: (count * amount * MIB) / ms / 1_000, count }
}

/** Milliseconds from wanting a connection to having the first bytes of an answer over it. */
const firstByte: Measure = async (connect, _, budgetMs) => {
  let ms = 0
  const reach = async (): Promise<void> => {
    await connect.prepare?.()
    const begun = performance.now()
    const line = await connect()
    await send(await line.open(), 0)
    ms += performance.now() - begun
    await line.close()
  }
  await repeat(reach, budgetMs * WARM_UP)
  ms = 0
  const { count } = await repeat(reach, budgetMs)
  return { value: ms / count, count }
}

/** Connections a second that the server accepts and answers over, {@link AT_ONCE} being under way all the time. */
const acceptRate: Measure = async (connect, _, budgetMs) => {
  const reach = async (): Promise<void> => {
    const line = await connect()
    await send(await line.open(), 0)
    await line.close()
  }
  const all = async (ms: number): Promise<number> => {
    const counts = await Promise.all(Array.from({ length: AT_ONCE }, async () => (await repeat(reach, ms)).count))
    return counts.reduce((sum, count) => sum + count)
  }
  await all(budgetMs * WARM_UP)
  const begun = performance.now()
  const count = await all(budgetMs)
  return { value: (count * 1_000) / (performance.now() - begun), count }
}

/** Kilobytes (10³ bytes) that each end of an idle connection holds, as the mean of both ends of `amount` of them. */
const idleMemory: Measure = async (connect, amount) => {
  // What the first few leave behind is no connection's: code, pools, caches.
  for (let i = 0; i < AT_ONCE; i++) await (await connect()).close()
  const first = await connect()
  const held = async (): Promise<number> => memory() + (await memoryOf(await first.open()))
  await held()
  const before = await held()
  const lines: Line[] = []
  while (lines.length < amount) {
    const some = Math.min(AT_ONCE, amount - lines.length)
    lines.push(...(await Promise.all(Array.from({ length: some }, connect))))
  }
  const value = ((await held()) - before) / (2 * lines.length) / 1_000
  for (let i = 0; i < lines.length; i += CHECKED) await send(await (lines[i] as Line).open(), 0)
  return { value, count: lines.length }
}

/**
 * The time in milliseconds that 99 of 100 small exchanges do not exceed, each on a stream of its own and one after
 * another, while transfers of `amount` MiB run without a break on another stream of the same connection.
 */
const smallUnderBulk: Measure = async (connect, amount, budgetMs) => {
  const line = await connect()
  const small = async (): Promise<number> => {
    const begun = performance.now()
    await send(await line.open(), 0)
    return performance.now() - begun
  }
  let running = true
  const transfer = async (): Promise<void> => {
    while (running) await send(await line.open(), amount * MIB)
  }
  const transfers = transfer()
  await repeat(async () => {
    await small()
  }, budgetMs * WARM_UP)
  const times: number[] = []
  await repeat(async () => {
    times.push(await small())
  }, budgetMs)
  running = false
  await transfers
  times.sort((a, b) => a - b)
  return { value: times[Math.ceil(times.length * 0.99) - 1] as number, count: times.length }
}

export const measures: Readonly<Record<string, Measure>> = { bulk, firstByte, acceptRate, idleMemory, smallUnderBulk }

async function repeat(work: () => Promise<void>, budgetMs: number): Promise<{ ms: number; count: number }> {
  const begun = performance.now()
  let count = 0
  let ms = 0
  do {
    await work()
    count++
    ms = performance.now() - begun
  } while (ms < budgetMs)
  return { ms, count }
}
