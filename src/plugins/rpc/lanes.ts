import { CloseCode, type Connection } from '../../kernel/index.js'
import type { Channel } from './channel.js'
import type { RpcEnvironment } from './environment.js'
import { Lane } from './lane.js'

/** What one turn says on one lane: what fits into a packet, which is lost as a whole. */
const PACKET_BYTES = 1_100
/** Round trips below this many milliseconds are so short that a lost packet may hold up more, which saves work. */
const NEAR_MS = 10
/** After so many calls it is looked again how far away the peer is; it may have moved. */
const CALLS_PER_LOOK = 1_024

/** The time in which calls are counted: a few are cheaper alone, since a lane has to be ended, too. */
const COUNTED_MS = 1_000

/**
 * The lanes of this node to one peer. What goes in one packet goes on one lane. The next packet takes one on which nothing
 * can be stuck behind a lost packet, as far as that is known.
 */
export class Lanes {
  readonly #lanes: Lane[] = []
  /** Bytes that one turn says on one lane. */
  #share = PACKET_BYTES
  #picks = 0
  /** Small calls since then. */
  #calls = 0
  #since = -Infinity

  constructor(
    private readonly connection: Connection,
    private readonly environment: RpcEnvironment
  ) {}

  /** A lane for another call; nothing if it is better alone, or none may be opened. Throws as `Connection.tryOpen` does. */
  pick(): Lane | undefined {
    const { gather, options } = this.environment
    if (this.#lanes.length === 0 && this.#isRare()) return undefined
    if (this.#picks++ % CALLS_PER_LOOK === 0) {
      this.#share = this.connection.stats().rttMs < NEAR_MS ? Infinity : PACKET_BYTES
    }
    const { sink } = gather
    if (sink instanceof Lane && gather.bytes < this.#share && sink.stream.connection === this.connection) {
      if (sink.hasRoom) return sink
    }
    let best: Lane | undefined
    for (const lane of this.#lanes) {
      if (!lane.hasRoom) continue
      if (lane.doubt === 0) return lane
      if (best === undefined || lane.doubt < best.doubt) best = lane
    }
    if (this.#lanes.length >= options.maxLanes) return best
    const stream = this.connection.tryOpen()
    if (stream === undefined) return best
    const lane = new Lane(stream, this.environment, this.#forget)
    this.#lanes.push(lane)
    return lane
  }

  #isRare(): boolean {
    const now = this.environment.deadlines.now()
    if (now - this.#since >= COUNTED_MS) {
      this.#since = now
      this.#calls = 0
    }
    return this.#calls++ < this.environment.options.laneAfterCalls
  }

  /** The other side answers a call on a stream of its own. */
  answerOn(streamId: number, id: number, channel: Channel): void {
    const lane = this.#lanes.find(({ stream }) => stream.id === streamId)
    if (lane === undefined) channel.abandon(CloseCode.CANCELLED)
    else lane.answerOn(id, channel)
  }

  /** Ends every call on them. */
  fail(error: Error, code: number): void {
    for (const lane of [...this.#lanes]) lane.fail(error, code)
  }

  readonly #forget = (lane: Lane): void => {
    const at = this.#lanes.indexOf(lane)
    if (at >= 0) this.#lanes.splice(at, 1)
  }
}
