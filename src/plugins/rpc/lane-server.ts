import { RpcCode, RpcError } from '../../kernel/index.js'
import { binaryRequest } from './binary.js'
import type { Channel } from './channel.js'
import type { ConnectionServer } from './connection-server.js'
import { RequestReader } from './envelope.js'
import type { RpcEnvironment } from './environment.js'
import { LaneCall } from './lane-call.js'
import { MAX_SERVED_LANES } from './options.js'
import { busy, misused } from './refusals.js'
import { ServedLane, type LaneHost } from './served-lane.js'
import { WireError } from './wire-error.js'

/** Answers the calls that come on the lanes of one connection. */
export class LaneServer implements LaneHost {
  readonly #lanes = new Set<ServedLane>()
  #running = 0

  readonly #requests: RequestReader

  constructor(private readonly server: ConnectionServer) {
    this.#requests = new RequestReader(server.environment.options.maxJsonDepth)
  }

  get environment(): RpcEnvironment {
    return this.server.environment
  }

  /** Calls that are at work. */
  get running(): number {
    return this.#running
  }

  /** Takes a stream that has begun as a lane. Throws {@link RpcError} with BUSY if there are too many. */
  take(channel: Channel): void {
    if (this.#lanes.size >= MAX_SERVED_LANES) throw new RpcError(RpcCode.BUSY, 'too many lanes', { local: true })
    const lane = new ServedLane(channel.stream, this)
    this.#lanes.add(lane)
    lane.start(channel.release())
  }

  /** Ends all calls on them, and takes no more. */
  close(error: Error): void {
    for (const lane of this.#lanes) lane.close(error)
  }

  serve(lane: ServedLane, number: number, isBinary: boolean, bytes: Uint8Array, from: number, to: number): void {
    const { server } = this
    const { maxJsonDepth } = this.environment.options
    const call = new LaneCall(lane, number, this.environment, server.meta)
    try {
      if (!server.hasRoom) throw busy('too many calls at a time')
      call.request = isBinary
        ? binaryRequest(bytes.subarray(from, to), maxJsonDepth)
        : this.#requests.read(bytes, from, to)
      const method = server.methodOf(call)
      if (method.kind !== 'unary')
        throw misused(method, new WireError(`${method.name} is a ${method.kind} method: it takes a stream of its own`))
      const { connection } = lane.stream
      if (connection.early && !method.idempotent) call.runConfirmed(method, connection.confirmed())
      else call.run(method)
    } catch (error) {
      call.fail(error)
    }
  }

  held(): void {
    this.#running++
    this.environment.load.calls++
  }

  released(): void {
    this.#running--
    this.environment.load.calls--
  }

  tell(call: LaneCall, rpcCode: number | undefined): void {
    this.server.tell(call, rpcCode)
  }

  left(lane: ServedLane): void {
    this.#lanes.delete(lane)
  }
}
