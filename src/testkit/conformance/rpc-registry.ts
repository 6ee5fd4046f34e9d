import assert from 'node:assert/strict'
import { forPlugin, type CallContext, type Connection, type PerConsumer, type RpcRegistry } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import { rpcCallTests } from './rpc-calls.js'
import { rpcEndTests } from './rpc-ends.js'
import { rpcErrorTests } from './rpc-errors.js'
import { rpcFlowTests } from './rpc-flow.js'
import { rpcLimitTests } from './rpc-limits.js'
import { rpcListingTests } from './rpc-listing.js'
import { rpcMiddlewareTests } from './rpc-middleware.js'
import { rpcRegisteringTests } from './rpc-registering.js'
import { rpcSchemaTests } from './rpc-schemas.js'
import { rpcViewTests } from './rpc-views.js'
import type { TestRunner } from './runner.js'
import { inTime, type TestTime, type Timed } from './timed.js'

/** One of two nodes that are connected. */
export interface RpcEnd {
  /** What the plugin provides, as it provides it: `exposing(plugin, RpcRegistry)` gets hold of it. */
  readonly registry: RpcRegistry
  readonly id: NodeId
  /** The connection to the other node, as this one sees it. */
  readonly connection: Connection
  /** Stops the node. A second call does nothing. */
  stop(): Promise<void>
}

/** Two nodes with one connection, on which each answers the calls of the other. */
export interface RpcPair extends Timed {
  readonly a: RpcEnd
  readonly b: RpcEnd
}

export interface RpcRegistryConformanceOptions extends TestRunner {
  readonly name: string
  /** Makes a fresh pair; it is asked for before each test. */
  readonly create: () => Promise<RpcPair>
}

/** A pair, and what was seen of it. */
export interface RpcWorld extends Pick<RpcPair, 'a' | 'b'> {
  readonly time: TestTime
  readonly seen: Seen
}

/** How a part of the suite registers its tests: each with a fresh pair, none of whose streams may be left over. */
export type RpcTest = (title: string, body: (world: RpcWorld) => Promise<void>) => void

/**
 * Registers a test for each promise of the RpcRegistry contract.
 *
 * @example
 * rpcRegistryConformance({ name: 'my-rpc', create: makeConnectedPair, describe, it })
 */
export function rpcRegistryConformance({ name, create, describe, it }: RpcRegistryConformanceOptions): void {
  const rpcTest: RpcTest = (title, body) => {
    it(title, async () => {
      await inTime(await create(), async (pair, time) => {
        const { a, b } = pair
        await body({ a, b, time, seen: new Seen() })
        const quiet = ({ connection }: RpcEnd): boolean =>
          connection.closeInfo !== undefined || connection.stats().streams === 0
        await time.until(() => quiet(a) && quiet(b))
      })
    })
  }
  describe(`${name} fulfils RpcRegistry`, () => {
    rpcCallTests(rpcTest)
    rpcErrorTests(rpcTest)
    rpcRegisteringTests(rpcTest)
    rpcViewTests(rpcTest)
    rpcEndTests(rpcTest)
    rpcFlowTests(rpcTest)
    rpcLimitTests(rpcTest)
    rpcSchemaTests(rpcTest)
    rpcMiddlewareTests(rpcTest)
    rpcListingTests(rpcTest)
  })
}

/** What handlers and sources were told. */
export class Seen {
  readonly contexts: CallContext[] = []
  /** Which sources were left before their end. */
  readonly left: string[] = []

  /** A handler's work that never ends. */
  readonly hang = (_input: unknown, context: CallContext): Promise<never> => {
    this.contexts.push(context)
    return new Promise(() => undefined)
  }

  /** A source that gives one value and then nothing, and says when it was left. */
  stuck<T>(who: string, value: T): AsyncIterableIterator<T> {
    const { left } = this
    let given = false
    return {
      next: () => {
        if (given) return new Promise(() => undefined)
        given = true
        return Promise.resolve({ done: false, value })
      },
      return: () => {
        left.push(who)
        return Promise.resolve({ done: true, value: undefined })
      },
      [Symbol.asyncIterator]() {
        return this
      }
    }
  }

  /** Waits until every one of `count` handlers has been told to end, for a reason that has these properties. */
  async aborted(time: TestTime, count: number, reason: object): Promise<void> {
    await time.until(() => this.contexts.length === count && this.contexts.every(({ signal }) => signal.aborted))
    for (const { signal } of this.contexts) has(signal.reason, reason)
  }
}

/** The view of a plugin, and what its stop does. */
export interface View {
  readonly rpc: RpcRegistry
  /** Clean-ups that are to run at the stop. */
  readonly cleanUps: ReadonlySet<() => unknown>
  end(): Promise<void>
}

export function viewOf({ registry }: RpcEnd, name: string): View {
  const cleanUps = new Set<() => unknown>()
  const makeView = (registry as Partial<PerConsumer<RpcRegistry>>)[forPlugin]
  assert.ok(makeView, 'the registry has no views for plugins')
  const defer = (cleanUp: () => unknown): (() => void) => {
    cleanUps.add(cleanUp)
    return () => cleanUps.delete(cleanUp)
  }
  return {
    rpc: makeView.call(registry, { name, defer }),
    cleanUps,
    async end() {
      for (const cleanUp of [...cleanUps].reverse()) await cleanUp()
    }
  }
}

/** Asserts that a value has these properties. */
export function has(value: unknown, properties: object): void {
  assert.ok(typeof value === 'object' && value !== null, `${String(value)} is no object`)
  const seen = Object.fromEntries(Object.keys(properties).map((key) => [key, Reflect.get(value, key) as unknown]))
  assert.deepEqual(seen, properties)
}

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error })
  )
  assert.ok('error' in outcome, 'it did not fail')
  assert.ok(outcome.error instanceof Error, 'what was thrown is no Error')
  return outcome.error
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** All bytes of a body. */
export async function bytesOf(body: ReadableStream<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collect(body as unknown as AsyncIterable<Uint8Array>))
}
