import { PeerloomError } from '../../kernel/index.js'

/** What messages need of their connection. */
export interface MessageHost {
  readonly maxMessageBytes: number
  readonly closeInfo: object | undefined
  /** Asks for {@link Messages.take} to be called soon. */
  queueFlush(): void
  /** Runs a callback of the user's, which must not harm the connection. */
  call(callback: () => void): void
}

/** The messages of one connection, sent once and never again: those that wait to be sent, and those that wait for a taker. */
export class Messages {
  sent = 0
  received = 0
  dropped = 0
  readonly #output: Uint8Array[] = []
  readonly #input: Uint8Array[] = []
  #handler: ((message: Uint8Array) => void) | undefined

  /** @param limit messages that may wait, either way */
  constructor(
    private readonly host: MessageHost,
    private readonly limit: number
  ) {}

  send(message: Uint8Array): boolean {
    const { maxMessageBytes } = this.host
    if (message.length > maxMessageBytes) {
      throw new PeerloomError(
        'ERR_MESSAGE_SIZE',
        `the message has ${message.length} bytes, and the connection carries ${maxMessageBytes}; use a stream`
      )
    }
    if (this.#output.length >= this.limit) {
      this.dropped++
      return false
    }
    this.#output.push(message.slice())
    this.host.queueFlush()
    return true
  }

  /** The next message to be sent. */
  take(): Uint8Array | undefined {
    const message = this.#output.shift()
    if (message !== undefined) this.sent++
    return message
  }

  get handler(): ((message: Uint8Array) => void) | undefined {
    return this.#handler
  }

  set handler(handler: ((message: Uint8Array) => void) | undefined) {
    this.#handler = handler
    queueMicrotask(() => {
      this.#handOver()
    })
  }

  /** Takes a message of the peer's; the oldest that waits makes room for it. */
  receive(message: Uint8Array): void {
    this.received++
    this.#input.push(message)
    this.#handOver()
    if (this.#input.length <= this.limit) return
    this.#input.shift()
    this.dropped++
  }

  clear(): void {
    this.#input.length = 0
    this.#output.length = 0
  }

  #handOver(): void {
    for (let handler = this.#handler; handler !== undefined; handler = this.#handler) {
      if (this.host.closeInfo !== undefined) return
      const message = this.#input.shift()
      if (message === undefined) return
      const take = handler
      this.host.call(() => {
        take(message)
      })
    }
  }
}
