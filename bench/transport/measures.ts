import type { Figure } from '../suite.js'
import type { Line } from './contender.js'
import { memory, memoryOf, send } from './exchange.js'

type Connect = () => Promise<Line>

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

/** Connections a second that the server accepts and answers over, {@link AT_ONCE} at a time. */
const acceptRate: Measure = async (connect, _, budgetMs) => {
  const batch = async (): Promise<void> => {
    const lines = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const line = await connect()
        await send(await line.open(), 0)
        return line
      })
    )
    await Promise.all(lines.map((line) => line.close()))
  }
  await repeat(batch, budgetMs * WARM_UP)
  const { ms, count } = await repeat(batch, budgetMs)
  return { value: (count * AT_ONCE * 1_000) / ms, count: count * AT_ONCE }
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

export const measures: Readonly<Record<string, Measure>> = { bulk, firstByte, acceptRate, idleMemory }

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
