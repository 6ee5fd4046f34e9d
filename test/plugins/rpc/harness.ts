import {
  client,
  ConnectionPool,
  createKernel,
  definePlugin,
  duplex,
  raw,
  RpcRegistry,
  server,
  unary,
  type Connection,
  type Kernel,
  type Plugin
} from '#src/kernel/index.js'
import { rpc, type RpcOptions } from '#src/plugins/rpc/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { connectionPair, poolOf, type ConnectionDouble } from './double.js'

/** A method of each kind. */
export const methods = {
  square: unary(({ value }: { value: number }) => ({ value: value ** 2 })),
  sum: client<number, number>(async (numbers) => {
    let sum = 0
    for await (const number of numbers) sum += number
    return sum
  }),
  count: server<number, number>(function* (to) {
    for (let i = 0; i < to; i++) yield i
  }),
  double: duplex<number, number>(async function* (numbers) {
    for await (const number of numbers) yield number * 2
  }),
  upper: raw<{ title: string }, { length: number }>((input, body) => ({
    result: { length: input.title.length },
    body: (async function* () {
      for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
        yield Buffer.from(Buffer.from(chunk).toString().toUpperCase())
      }
    })()
  }))
}

export interface Side {
  readonly kernel: Kernel
  readonly rpc: RpcRegistry
  readonly connection: ConnectionDouble
}

/** Both ways in which small calls travel: each suite of behaviour is run in both. */
export const WAYS = [
  ['on streams of their own', { maxLanes: 0 }],
  ['on lanes', { laneAfterCalls: 0 }]
] as const

export interface Pair {
  readonly clock: VirtualClock
  readonly caller: Side
  readonly server: Side
  /** Lets what was begun come to rest: lanes without calls end, which takes two looks. */
  settle(): Promise<void>
  stop(): Promise<void>
}

type Options = RpcOptions

export function poolPlugin(...connections: Connection[]): Plugin {
  return definePlugin({
    name: 'pool',
    provides: { pool: ConnectionPool },
    start: () => ({ pool: poolOf(...connections) })
  })
}

async function makeSide(connection: ConnectionDouble, clock: VirtualClock, options: Options, plugins: Plugin[]) {
  const kernel = createKernel({ clock, plugins: [poolPlugin(connection), rpc.with(options), ...plugins] })
  await clock.until(kernel.start())
  return { kernel, connection, rpc: kernel.resolve(RpcRegistry) }
}

/** Two nodes with one connection between them, in virtual time. */
export async function makePair(
  options: { caller?: Options; server?: Options; serverPlugins?: Plugin[]; protocol?: string } = {}
): Promise<Pair> {
  const clock = new VirtualClock()
  const [out, accepted] = connectionPair()
  for (const end of [out, accepted]) end.protocol = options.protocol ?? end.protocol
  const caller = await makeSide(out, clock, options.caller ?? {}, [])
  const server = await makeSide(accepted, clock, options.server ?? {}, options.serverPlugins ?? [])
  return {
    clock,
    caller,
    server,
    settle: () => clock.advance(2_000),
    async stop() {
      await clock.until(Promise.all([caller.kernel.stop(), server.kernel.stop()]))
    }
  }
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const value: unknown = await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error
  )
  return value as Error & Record<string, unknown>
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks = await collect(body)
  return Buffer.concat(chunks).toString()
}
