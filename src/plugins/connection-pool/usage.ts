import type { ConnectionStats } from '../../kernel/index.js'

type Counters = Pick<ConnectionStats, 'streams' | 'ownStreams' | 'openedStreams' | 'acceptedStreams'>

/**
 * When a peer's connection was used, as its counters tell whoever looks at them now and then: a stream that was open or
 * has been opened since the last look is use. Pure: times are arguments.
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
  #opened = 0
  #accepted = 0

  constructor(now: number) {
    this.usedAt = now
  }

  look({ streams, ownStreams, openedStreams, acceptedStreams }: Counters, now: number): void {
    if (ownStreams > 0 || openedStreams > this.#opened) this.ownUseAt = now
    if (streams > 0 || openedStreams > this.#opened || acceptedStreams > this.#accepted) this.usedAt = now
    this.streams = streams
    this.ownStreams = ownStreams
    this.#opened = openedStreams
    this.#accepted = acceptedStreams
  }

  /** Another connection to the same peer is used from now on, which counts from zero. */
  restart(): void {
    this.#opened = this.#accepted = this.streams = this.ownStreams = 0
  }
}
