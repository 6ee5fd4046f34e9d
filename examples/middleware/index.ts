// Three kinds of middleware, each for calls of all kinds.
import { RpcCode, RpcError, type Middleware, type NodeId, type ServerMiddleware } from 'peerloom'

/** Writes a line for each call, served or made. */
export function logging(write: (line: string) => void): Middleware {
  return (call) => {
    const { side, method, peer = 'a peer' } = call
    call.onEnd(({ ms, error }) => {
      const how = error === undefined ? 'ok' : error instanceof Error ? error.message : 'failed'
      write(
        `${side === 'server' ? `served ${method} to` : `called ${method} of`} ${peer} in ${ms.toFixed(1)} ms: ${how}`
      )
    })
    return call.next()
  }
}

/** Lets only some peers call the methods of some plugins. */
export function authorising(plugins: readonly string[], members: ReadonlySet<NodeId>): ServerMiddleware {
  return (call) => {
    if (plugins.includes(call.plugin) && !members.has(call.peer)) {
      throw new RpcError(RpcCode.FORBIDDEN, 'for members only')
    }
    return call.next()
  }
}

export interface Metrics {
  calls: number
  failed: number
  running: number
  totalMs: number
  /** Items of streams that went by, in either direction. */
  items: number
}

/** Counts calls by method, and the items of their streams. */
export function metrics(byMethod: Map<string, Metrics>): Middleware {
  return async (call) => {
    let of = byMethod.get(call.method)
    if (of === undefined) byMethod.set(call.method, (of = { calls: 0, failed: 0, running: 0, totalMs: 0, items: 0 }))
    const counted = of
    counted.calls++
    counted.running++
    call.onEnd(({ ms, error }) => {
      counted.running--
      counted.totalMs += ms
      if (error !== undefined) counted.failed++
    })
    const count = async function* (items: AsyncIterable<unknown>): AsyncGenerator {
      for await (const item of items) {
        counted.items++
        yield item
      }
    }
    if (call.kind === 'client') return call.next({ input: count(call.input) })
    if (call.kind === 'duplex') return count(await call.next({ input: count(call.input) }))
    if (call.kind === 'server') return count(await call.next())
    return call.next()
  }
}
