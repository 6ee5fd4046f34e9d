import { CloseCode, type Connection } from '../../kernel/index.js'
import type { Channel } from './channel.js'
import type { RpcEnvironment } from './environment.js'
import { Lane } from './lane.js'

/**
 * The lanes of this node to one peer. What one turn has to say goes on one lane, since it goes in one packet or few. The
 * next turn takes one on which nothing can be stuck behind a lost packet, as far as that is known.
 */
export class Lanes {
  readonly #lanes: Lane[] = []

  constructor(
    private readonly connection: Connection,
    private readonly environment: RpcEnvironment
  ) {}

  /** A lane for another call; nothing if all are full, or none may be opened. Throws as `Connection.tryOpen` does. */
  pick(): Lane | undefined {
    const { gather, options } = this.environment
    const { sink } = gather
    if (sink instanceof Lane && sink.stream.connection === this.connection && sink.hasRoom) return sink
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
