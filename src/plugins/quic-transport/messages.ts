import { PeerloomError } from '../../kernel/index.js'
import type { NativeConnection } from './quiche.js'

/**
 * Received messages that quiche keeps until the turn in which we take them. Beyond that it drops the oldest and counts
 * nothing, hence more than a turn of the event loop brings, unless its messages are tiny; memory is taken for those
 * alone that are there.
 */
export const MESSAGES_PER_TURN = 16_384
/** No UDP datagram, and so no message, is longer. */
const RECEIVE_BYTES = 64 * 1024

/** What every message is received into, before it is copied. */
let receiveBuffer: Uint8Array | undefined

/** What messages use of their connection. */
export interface MessageOwner {
  readonly native: NativeConnection
  /** Says how the connection ended, once it has. */
  readonly closeInfo: object | undefined
  /** Asks for a turn. */
  schedule(): void
  /** Runs a user's callback; what it throws is logged. */
  guard(callback: () => void): void
}

/**
 * The unreliable messages of one connection (RFC 9221). Those to be sent wait in quiche, which gives them and the
 * streams every other packet when both have something; those that nobody has taken wait here.
 */
export class Messages {
  sent = 0
  received = 0
  dropped = 0
  readonly #waiting: Uint8Array[] = []
  #handler: ((message: Uint8Array) => void) | undefined

  /** @param limit messages that may wait, either way; 0 if there are none on this connection */
  constructor(
    private readonly owner: MessageOwner,
    private readonly limit: number
  ) {}

  get maxBytes(): number {
    if (this.limit === 0 || this.owner.closeInfo !== undefined) return 0
    return this.owner.native.dgramMaxWritableLen() ?? 0
  }

  send(message: Uint8Array): boolean {
    const { maxBytes, owner } = this
    if (message.length > maxBytes || maxBytes === 0) {
      throw new PeerloomError(
        'ERR_MESSAGE_SIZE',
        `the message has ${String(message.length)} bytes, and the connection carries ${String(maxBytes)}; use a stream`
      )
    }
    if (owner.native.dgramSend(message) === null) {
      this.dropped++
      return false
    }
    this.sent++
    owner.schedule()
    return true
  }

  /** Whether some wait in quiche to be sent. */
  get pending(): boolean {
    return this.sent > 0 && this.owner.native.dgramSendQueueLen() > 0
  }

  get handler(): ((message: Uint8Array) => void) | undefined {
    return this.#handler
  }

  set handler(handler: ((message: Uint8Array) => void) | undefined) {
    this.#handler = handler
    while (this.#handler !== undefined) {
      const message = this.#waiting.shift()
      if (message === undefined) return
      this.#offer(message)
    }
  }

  /** Takes what has arrived. */
  arrived(): void {
    if (this.limit === 0) return
    const { native } = this.owner
    for (let left = native.dgramRecvQueueLen(); left > 0 && this.owner.closeInfo === undefined; left--) {
      receiveBuffer ??= new Uint8Array(RECEIVE_BYTES)
      const length = native.dgramRecv(receiveBuffer)
      if (length === null) return
      this.received++
      this.#offer(receiveBuffer.slice(0, length))
    }
  }

  /** The connection has ended. */
  clear(): void {
    this.#waiting.length = 0
  }

  #offer(message: Uint8Array): void {
    const handler = this.#handler
    if (handler !== undefined) {
      this.owner.guard(() => {
        handler(message)
      })
      return
    }
    this.#waiting.push(message)
    if (this.#waiting.length <= this.limit) return
    this.#waiting.shift()
    this.dropped++
  }
}
