import {
  client,
  duplex,
  raw,
  RpcError,
  server,
  sleep,
  systemClock,
  unary,
  type CallContext
} from '#src/kernel/index.js'
import { FAILURE_CODE, itemsOf, type Order } from './plan.js'

/** What became of the calls, as the side that answers them sees it: each is run once at most, and ends as often. */
export class Ledger {
  readonly #running = new Set<number>()
  readonly #ended = new Set<number>()

  constructor(private readonly complain: (what: string) => void) {}

  get running(): number {
    return this.#running.size
  }

  get ended(): number {
    return this.#ended.size
  }

  has(id: number): boolean {
    return this.#running.has(id) || this.#ended.has(id)
  }

  begin({ id }: Order): void {
    if (this.has(id)) this.complain(`call ${id} was run twice`)
    this.#running.add(id)
  }

  end({ id }: Order): void {
    if (!this.#running.delete(id)) this.complain(`call ${id} ended without having begun`)
    this.#ended.add(id)
  }
}

/** Takes its time, and comes to whatever end is meant to be. */
async function meet(order: Order, { signal }: CallContext): Promise<void> {
  if (order.fate === 'hang') await new Promise((_, reject) => onAbort(signal, reject))
  if (order.slowMs > 0) await sleep(systemClock, order.slowMs, signal)
  if (order.fate === 'fail') throw new RpcError(FAILURE_CODE + order.id, `call ${order.id}`, { data: order.id })
}

function onAbort(signal: AbortSignal, reject: (reason: Error) => void): void {
  const abort = (): void => reject(signal.reason as Error)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
}

/** What is offered: a method of each kind, which does with a call what comes first in it says. */
export function methodsOf(ledger: Ledger) {
  return {
    unary: unary(async (order: Order, context): Promise<number> => {
      ledger.begin(order)
      try {
        await meet(order, context)
        return order.id
      } finally {
        ledger.end(order)
      }
    }),
    client: client<Order | number, number[]>(async (input, context) => {
      const order = await first(input)
      ledger.begin(order)
      try {
        const items: number[] = []
        for await (const item of input) items.push(item as number)
        await meet(order, context)
        return items
      } finally {
        ledger.end(order)
      }
    }),
    server: server<Order, number>(async function* (order, context) {
      ledger.begin(order)
      try {
        yield* itemsOf(order)
        await meet(order, context)
      } finally {
        ledger.end(order)
      }
    }),
    duplex: duplex<Order | number, number>(async function* (input, context) {
      const order = await first(input)
      ledger.begin(order)
      try {
        for await (const item of input) yield item as number
        await meet(order, context)
      } finally {
        ledger.end(order)
      }
    }),
    raw: raw<Order, number>(async (order, body, context) => {
      ledger.begin(order)
      try {
        await meet(order, context)
        const chunks: Uint8Array[] = []
        for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk)
        return { result: order.id, body: chunks }
      } finally {
        ledger.end(order)
      }
    })
  }
}

async function first(input: AsyncIterator<Order | number>): Promise<Order> {
  const { value } = (await input.next()) as { value: Order }
  return value
}
