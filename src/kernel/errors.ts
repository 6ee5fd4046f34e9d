import { PeerloomError } from '../model/index.js'

export { InvalidInputError, PeerloomError } from '../model/index.js'

/** Every stable code of Peerloom's own, with its meaning. A test keeps docs/architecture.md in step. */
export const errorCodes = {
  ERR_INVALID_INPUT: 'a text, file or message from outside is malformed',
  ERR_ABORTED: 'the caller cancelled, or the plugin that did the work is stopping',
  ERR_GRAPH: 'the plugins do not fit together: missing, duplicate, cyclic or mismatched contracts',
  ERR_CONFIG: 'a plugin was given a configuration that its schema refuses',
  ERR_PLUGIN: 'a plugin is malformed, or returned something other than what it provides',
  ERR_START: 'a plugin failed to start; the others were stopped again',
  ERR_REPLACE: 'a plugin could not take the place of another at run time; the message says what runs now',
  ERR_STOP: 'plugins failed while stopping; the others were stopped all the same',
  ERR_DEADLINE: 'something took longer than its deadline',
  ERR_STATE: 'the call does not fit the present state, such as resolving before the start',
  ERR_IDENTITY: 'a key file cannot be read, written or trusted',
  ERR_STORE: 'the store cannot be read or written',
  ERR_SOCKET: 'a UDP socket cannot be opened, for example because its port is taken',
  ERR_NATIVE: 'the native QUIC library is missing for this platform',
  ERR_KEY_LOG: 'the TLS key log cannot be written',
  ERR_RESOLVE: 'a host name cannot be resolved',
  ERR_DIAL: 'one address could not be connected to',
  ERR_PATH: 'a connection cannot take a path, or nothing has answered over it in time',
  ERR_PEER_MISMATCH: 'the peer that answered is not the node that was dialled, or proves no node id',
  ERR_CONNECTION_CLOSED: 'the connection is closed',
  ERR_STREAM_RESET: 'the peer reset or stopped the stream; `streamCode` says why',
  ERR_STREAM_CLOSED: 'the stream is already ended or closed on this side',
  ERR_STREAM_OVERFLOW: 'more was written to a stream than its buffer allows without waiting for it to drain',
  ERR_MESSAGE_SIZE: 'a message is longer than the connection carries in one packet, or the peer takes none',
  ERR_LIMIT: 'a limit on connections, streams, calls or memory is reached',
  ERR_NOT_FOUND: 'no node of that id was found',
  ERR_CONNECT: 'a node could not be reached; the report lists every candidate',
  ERR_RPC: 'a call ended in an error; `rpcCode` is the JSON-RPC code',
  ERR_RPC_TIMEOUT: 'a call took longer than its deadline',
  ERR_RPC_IDLE: 'no item of a streaming call came, or was taken, for too long',
  ERR_RPC_PROTOCOL: 'the peer broke the RPC wire format'
} as const

export type ErrorCode = keyof typeof errorCodes

/** A plugin or the kernel could not do its part; thrown by the kernel and by plugins at start. */
export class KernelError extends PeerloomError {
  override readonly name: string = 'KernelError'
}

/** What became of one plugin when the kernel started or stopped. */
export interface PluginOutcome {
  readonly plugin: string
  readonly outcome: 'started' | 'failed' | 'aborted' | 'not started' | 'stopped'
  /** Milliseconds it took; 0 if it never began. */
  readonly ms: number
  readonly error?: unknown
}

/** A start, a stop or a replacement that failed, with what became of every plugin that it touched. */
export class LifecycleError extends KernelError {
  override readonly name = 'LifecycleError'

  constructor(
    code: 'ERR_START' | 'ERR_STOP' | 'ERR_REPLACE',
    message: string,
    readonly outcomes: readonly PluginOutcome[],
    options?: ErrorOptions
  ) {
    super(code, message, options)
  }
}

/** The caller gave up, or the owner of the work is stopping. */
export class AbortError extends PeerloomError {
  override readonly name = 'AbortError'

  constructor(message = 'the operation was aborted', options?: ErrorOptions) {
    super('ERR_ABORTED', message, options)
  }
}

/** Something took longer than it may. */
export class DeadlineError extends PeerloomError {
  override readonly name = 'DeadlineError'

  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DEADLINE', message, options)
  }
}

/** The reason of an aborted signal as an error of the family, with the signal's own reason as its cause. */
export function abortReason(signal: AbortSignal): PeerloomError {
  const reason: unknown = signal.reason
  return reason instanceof PeerloomError ? reason : new AbortError(undefined, { cause: reason })
}

/** One sentence for a person from anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message
  try {
    return String(error)
  } catch {
    return 'something without a text was thrown'
  }
}
