import {
  CloseCode,
  ConnectionClosedError,
  RpcCode,
  RpcError,
  type CallMeta,
  type Connection,
  type Stream
} from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { answeredCall } from './binary.js'
import { openChannel, type Channel } from './channel.js'
import { inputLimit } from './deadline.js'
import type { RpcEnvironment } from './environment.js'
import { errorToWire } from './errors.js'
import { FrameType, type Frame } from './frames.js'
import { LaneServer } from './lane-server.js'
import { Lanes } from './lanes.js'
import { checkInput, type OfferedMethod } from './method.js'
import type { ServedCall } from './served-call.js'
import { busy, noSuchMethod } from './refusals.js'
import { StreamCall } from './stream-call.js'

/** Answers the calls that come by one connection. */
export class ConnectionServer {
  readonly #calls = new Set<StreamCall>()
  readonly #served: LaneServer
  readonly #own: Lanes
  #meta: CallMeta | undefined
  #metaFor: Address | undefined

  constructor(
    private readonly connection: Connection,
    private readonly methods: ReadonlyMap<string, OfferedMethod>,
    readonly environment: RpcEnvironment
  ) {
    this.#served = new LaneServer(this)
    this.#own = new Lanes(connection, environment)
    // Whoever makes calls on lanes must also take the answers that are too long for them.
    if (environment.wireOf(connection).hasLanes) environment.lanes.set(connection, this.#own)
    connection.onStream = (stream) => {
      this.#accept(stream)
    }
    void connection.closed.then((info) => {
      const error = new ConnectionClosedError(info)
      this.#abort(error)
      this.#served.close(error)
    })
  }

  /** Takes no more calls, and ends those under way in both directions. */
  close(error: Error): void {
    this.connection.onStream = undefined
    const stopping = new RpcError(RpcCode.CANCELLED, 'the node is stopping', { local: true })
    this.#abort(stopping)
    this.#served.close(stopping)
    this.environment.lanes.delete(this.connection)
    this.#own.fail(error, CloseCode.SHUTDOWN)
  }

  /** Whether one more call may be served now. */
  get hasRoom(): boolean {
    const { load, options } = this.environment
    return this.#calls.size + this.#served.running < options.maxConcurrentCalls && !load.isFull
  }

  /** The method that a call asks for, the call's time being set. Throws {@link RpcError} if there is none that takes its input. */
  methodOf(call: ServedCall): OfferedMethod {
    const { method: name, params, metadata } = call.request
    const method = this.methods.get(name)
    if (method === undefined) throw noSuchMethod(name)
    checkInput(method, params)
    const ours = method.timeoutMs ?? this.environment.options.defaultTimeoutMs
    call.timeoutMs = Math.min(ours, metadata?.timeout ?? Infinity, inputLimit(params))
    return method
  }

  /** Says that a call is over. */
  tell(call: ServedCall, rpcCode: number | undefined): void {
    if (!call.hasRequest) return
    this.environment.emit('rpc.served', () => ({
      peer: this.connection.peer,
      method: call.request.method.slice(0, 128),
      ms: call.elapsedMs,
      ...(rpcCode === undefined ? {} : { rpcCode })
    }))
  }

  /** Who calls: one record for all calls, made anew when the peer's address changes. */
  get meta(): CallMeta {
    const { id, peer, remote } = this.connection
    if (this.#meta === undefined || this.#metaFor !== remote) {
      this.#metaFor = remote
      this.#meta = Object.freeze({ nodeId: peer, connection: id, remote: Address.format(remote) })
    }
    return this.#meta
  }

  #abort(error: Error): void {
    for (const call of this.#calls) call.abort(error)
  }

  #forget(call: StreamCall): void {
    if (this.#calls.delete(call)) this.environment.load.calls--
  }

  #accept(stream: Stream): void {
    const channel = openChannel(stream, this.environment)
    if (!this.hasRoom) {
      refuse(channel)
      return
    }
    const call: StreamCall = new StreamCall(channel, this.meta, this.environment, () => {
      this.#forget(call)
    })
    this.#calls.add(call)
    this.environment.load.calls++
    void this.#run(call)
  }

  async #run(call: StreamCall): Promise<void> {
    let method: OfferedMethod | undefined
    let rpcCode: number | undefined
    try {
      const frame = await firstFrame(call)
      if (this.#isNoCall(frame, call)) return
      call.request = call.channel.wire.request(call, frame)
      method = this.methodOf(call)
      call.arm()
      method.calls.add(call)
      if (this.connection.early && !method.idempotent) await this.#confirmed(call)
      await call.channel.wire.serve(call, method)
    } catch (error) {
      rpcCode = call.fail(error)
    }
    // Whatever else happens, the call gives its place back.
    method?.calls.delete(call)
    call.finish()
    this.tell(call, rpcCode)
  }

  /** Waits until what came early is no recording. */
  async #confirmed(call: StreamCall): Promise<void> {
    if (await call.during(this.connection.confirmed())) return
    throw new RpcError(RpcCode.CANCELLED, 'the connection ended before its handshake was done', { local: true })
  }

  /** Gives a stream that is no call to whom it belongs. */
  #isNoCall({ type, payload }: Frame, call: StreamCall): boolean {
    if (type !== FrameType.LANE && type !== FrameType.ANSWER) return false
    call.clear()
    this.#forget(call)
    if (type === FrameType.LANE) {
      this.#served.take(call.channel)
    } else {
      const which = answeredCall(payload)
      this.#own.answerOn(which.lane, which.call, call.channel)
    }
    return true
  }
}

async function firstFrame(call: StreamCall): Promise<Frame> {
  const frame = call.channel.poll()
  if (frame !== undefined) return frame
  call.arm()
  return call.channel.receive()
}

function refuse(channel: Channel): void {
  const error = busy('too many calls at a time')
  try {
    channel.end(channel.wire.error(null, errorToWire(error)))
  } catch {
    // The caller is gone.
  }
  channel.close(CloseCode.LIMIT)
}
