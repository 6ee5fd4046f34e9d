import type { ConnectionStats } from '../../kernel/index.js'

type Counters = Pick<
  ConnectionStats,
  'streams' | 'ownStreams' | 'openedStreams' | 'acceptedStreams' | 'sentMessages' | 'receivedMessages'
>

/**
 * When a peer's connection was used, as its counters tell whoever looks at them now and then: a stream that was open or
 * has been opened since the last look is use, and so is a message. Pure: times are arguments.
 */
export class Usage {
  /** When either side used it last. */
  usedAt: number
  /** When this side did, which no peer can feign; −Infinity if never. */
  ownUseAt = -Infinity
  /** Streams that were open at the last look. */
  streams = 0
  /** Of these, the ones that this side opened. */
  ownStreams = 0
  /** Streams and messages that this side began, and those of the peer. */
  #own = 0
  #others = 0

  constructor(now: number) {
    this.usedAt = now
  }

  look(counters: Counters, now: number): void {
    const { streams, ownStreams } = counters
    const own = counters.openedStreams + counters.sentMessages
    const others = counters.acceptedStreams + counters.receivedMessages
    if (ownStreams > 0 || own > this.#own) this.ownUseAt = now
    if (streams > 0 || own > this.#own || others > this.#others) this.usedAt = now
    this.streams = streams
    this.ownStreams = ownStreams
    this.#own = own
    this.#others = others
  }

  /** Another connection to the same peer is used from now on, which counts from zero. */
  restart(): void {
    this.#own = this.#others = this.streams = this.ownStreams = 0
  }
}
