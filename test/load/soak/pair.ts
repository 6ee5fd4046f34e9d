import { CloseCode, type CloseInfo, type Connection, type Stream } from '#src/kernel/index.js'
import { judge } from './verdict.js'
import { read as readAll, write, type Intention, type Outcome } from './way.js'

/** One of the two ends of something. */
export type Side = 0 | 1

/** What is meant to happen on one stream: from its opener to its taker, and back. */
export interface Plan {
  readonly there: Intention
  readonly back: Intention
}

/** What became of it. The network and quiche may do all but the first, seldom. */
export interface Tally {
  /** Bytes that were read, and found to be right. */
  bytes: number
  /** Closes of which the other side was never told: they are sent but once (RFC 9000 §10.2). */
  unheardCloses: number
  /** Streams with a reset or a stop that was lost for ever, so that only the end of the connection ended them. */
  unheardGivingUp: number
  /** Resets that their reader took for an end. */
  resetsAsEnds: number
}

export function noTally(): Tally {
  return { bytes: 0, unheardCloses: 0, unheardGivingUp: 0, resetsAsEnds: 0 }
}

/** Adds the second to the first, and returns that. */
export function addTally(sum: Tally, more: Tally): Tally {
  for (const key of Object.keys(sum) as (keyof Tally)[]) sum[key] += more[key]
  return sum
}

interface Story {
  readonly plan: Plan
  readonly taker: Side
  /** Given the stream as its taker sees it, or nothing if it will never see it. */
  readonly take: (stream?: Stream) => void
}

/** Both ends of a connection, and the streams on it, each of which has its plan. */
export class Pair {
  readonly tally = noTally()
  readonly #stories = new Map<number, Story>()
  #closing: { readonly code: number; readonly reason: string } | undefined

  /** @param complain is told what does not hold */
  constructor(
    readonly ends: readonly [Connection, Connection],
    private readonly complain: (what: string) => void
  ) {
    for (const side of [0, 1] as const) {
      ends[side].onStream = (stream) => {
        const story = this.#stories.get(stream.id)
        if (story?.taker === side) story.take(stream)
        else complain(`a stream that nobody opened: ${stream.id}`)
      }
      void ends[side].closed.then((info) => {
        this.#ended(side, info)
      })
    }
  }

  /** It has been closed, or is being closed. */
  get isOver(): boolean {
    return this.#closing !== undefined
  }

  /** Streams that are not over yet. */
  get size(): number {
    return this.#stories.size
  }

  /** Those of them that are certain to come to their end, in words. */
  get pending(): string[] {
    return [...this.#stories]
      .filter(([, { plan }]) => !isGivenUp(plan))
      .map(([id, { plan }]) => `stream ${id} is not over: ${JSON.stringify(plan)}`)
  }

  /** Opens a stream from one of the ends. Resolves when it is over on both sides, each having said so. */
  async run(opener: Side, plan: Plan): Promise<void> {
    let near: Stream
    try {
      near = await this.ends[opener].open()
    } catch (error) {
      if (!this.isOver) throw error
      return
    }
    const taker = opener === 0 ? 1 : 0
    const taken = new Promise<Stream | undefined>((take) => {
      if (this.ends[taker].closeInfo === undefined) this.#stories.set(near.id, { plan, taker, take })
      else take(undefined)
    })
    const [, wrote, read, far] = await Promise.all([
      closed(near),
      write(near, plan.there),
      readAll(near, plan.back),
      taken.then((stream) => stream && this.#answer(stream, plan))
    ])
    this.#stories.delete(near.id)
    if (far === undefined) return
    this.tally.bytes += read.bytes + far.read.bytes
    this.#judge(near.id, plan.there, wrote, far.read)
    this.#judge(near.id, plan.back, far.wrote, read)
  }

  /** Closes it from one end, and checks what both are told. */
  async close(closer: Side, code: number, reason: string): Promise<void> {
    this.#closing = { code, reason }
    this.ends[closer].close(code, reason)
    await Promise.all(this.ends.map(({ closed }) => closed))
  }

  async #answer(stream: Stream, { there, back }: Plan): Promise<{ read: Outcome; wrote: Outcome }> {
    const [, wrote, read] = await Promise.all([closed(stream), write(stream, back), readAll(stream, there)])
    return { wrote, read }
  }

  #ended(side: Side, info: CloseInfo): void {
    for (const { taker, take } of this.#stories.values()) if (taker === side) take()
    const { code, reason } = this.#closing ?? { code: CloseCode.SHUTDOWN, reason: 'the node is stopping' }
    // A close that was lost is noticed by the silence, or not before this end's own node stops.
    const isUnheard = info.by === 'timeout' || (info.by === 'us' && info.code === CloseCode.SHUTDOWN)
    if (this.isOver && isUnheard) this.tally.unheardCloses++
    else if (info.code !== code || info.reason !== reason) this.complain(`a connection ended: ${JSON.stringify(info)}`)
  }

  #judge(id: number, intention: Intention, wrote: Outcome, read: Outcome): void {
    const verdict = judge(intention, wrote, read)
    if (verdict === 'reset as end') this.tally.resetsAsEnds++
    else if (verdict !== 'right') {
      this.complain(`stream ${id}: ${verdict.wrong}: ${JSON.stringify({ intention, wrote, read })}`)
    }
  }
}

function isGivenUp({ there, back }: Plan): boolean {
  return [there, back].some(({ resetCode, stop }) => resetCode !== undefined || stop !== undefined)
}

/** Resolves when the stream says that it is over. */
function closed(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve()
    else stream.onClosed = resolve
  })
}
