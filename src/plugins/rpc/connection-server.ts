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
import { Channel } from './channel.js'
import { Deadline, inputLimit } from './deadline.js'
import { errorToWire } from './errors.js'
import { FrameType } from './frames.js'
import { asRequest, errorText, messageFrame } from './messages.js'
import type { OfferedMethod } from './method.js'
import type { RpcEnvironment } from './environment.js'
import { busy, noSuchMethod } from './refusals.js'
import { serve } from './serve.js'
import { ServedCall } from './served-call.js'
import { WireError } from './wire-error.js'

/** Answers the calls that come by one connection. */
export class ConnectionServer {
  readonly #calls = new Set<ServedCall>()
  #meta: CallMeta | undefined
  #metaFor: Address | undefined

  constructor(
    private readonly connection: Connection,
    private readonly methods: ReadonlyMap<string, OfferedMethod>,
    private readonly environment: RpcEnvironment
  ) {
    connection.onStream = (stream) => {
      this.#accept(stream)
    }
    void connection.closed.then((info) => {
      this.#abort(new ConnectionClosedError(info))
    })
  }

  /** Takes no more calls, and ends those under way. */
  close(): void {
    this.connection.onStream = undefined
    this.#abort(new RpcError(RpcCode.CANCELLED, 'the node is stopping', { local: true }))
  }

  #abort(error: Error): void {
    for (const call of this.#calls) call.abort(error)
  }

  #accept(stream: Stream): void {
    const { clock, options, budgets, load } = this.environment
    const channel = new Channel(stream, options.maxMessageBytes, budgets.of(this.connection))
    if (this.#calls.size >= options.maxConcurrentCalls || load.isFull) {
      refuse(channel)
      return
    }
    const deadline = new Deadline(clock, options.defaultTimeoutMs, () => {
      const text = `the call took longer than ${String(deadline.timeoutMs)} ms`
      call.abort(new RpcError(RpcCode.TIMEOUT, text, { local: true }))
    })
    const call: ServedCall = new ServedCall(channel, this.#currentMeta(), deadline, options, () => {
      if (this.#calls.delete(call)) load.calls--
    })
    this.#calls.add(call)
    load.calls++
    void this.#run(call)
  }

  async #run(call: ServedCall): Promise<void> {
    let method: OfferedMethod | undefined
    let rpcCode: number | undefined
    try {
      await this.#readRequest(call)
      method = this.#methodOf(call)
      method.calls.add(call)
      if (this.connection.early && !method.idempotent) await this.#confirmed(call)
      await serve(call, method)
    } catch (error) {
      rpcCode = call.fail(error)
    }
    // Whatever else happens, the call gives its place back.
    method?.calls.delete(call)
    call.finish()
    this.#tell(call, rpcCode)
  }

  /** Waits until what came early is no recording. */
  async #confirmed(call: ServedCall): Promise<void> {
    if (await call.during(this.connection.confirmed())) return
    throw new RpcError(RpcCode.CANCELLED, 'the connection ended before its handshake was done', { local: true })
  }

  async #readRequest(call: ServedCall): Promise<void> {
    let frame = call.channel.poll()
    if (frame === undefined) {
      call.deadline.arm()
      frame = await call.channel.receive()
    }
    if (frame.type !== FrameType.MESSAGE) throw new WireError('expected a request')
    call.request = asRequest(call.parse(frame))
  }

  #methodOf(call: ServedCall): OfferedMethod {
    const { method: name, params, metadata } = call.request
    const method = this.methods.get(name)
    if (method === undefined) throw noSuchMethod(name)
    const ours = method.timeoutMs ?? this.environment.options.defaultTimeoutMs
    call.deadline.timeoutMs = Math.min(ours, metadata?.timeout ?? Infinity, inputLimit(params))
    call.deadline.arm()
    return method
  }

  #tell(call: ServedCall, rpcCode: number | undefined): void {
    if (!call.hasRequest) return
    this.environment.emit('rpc.served', {
      peer: this.connection.peer,
      method: call.request.method.slice(0, 128),
      ms: call.deadline.elapsedMs,
      ...(rpcCode === undefined ? {} : { rpcCode })
    })
  }

  /** One record for all calls, made anew when the peer's address changes. */
  #currentMeta(): CallMeta {
    const { id, peer, remote } = this.connection
    if (this.#meta === undefined || this.#metaFor !== remote) {
      this.#metaFor = remote
      this.#meta = Object.freeze({ nodeId: peer, connection: id, remote: Address.format(remote) })
    }
    return this.#meta
  }
}

function refuse(channel: Channel): void {
  const error = busy('too many calls at a time')
  try {
    channel.end(messageFrame(errorText(null, errorToWire(error)), true))
  } catch {
    // The caller is gone.
  }
  channel.close(CloseCode.LIMIT)
}
