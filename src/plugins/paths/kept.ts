import { Subject, type Observable } from 'rxjs'
import {
  abortReason,
  InvalidInputError,
  messageOf,
  Path,
  PeerloomError,
  type ClockTimer,
  type KeptPaths,
  type PathChange,
  type PathUser,
  type PluginContext,
  type ProbeOptions
} from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import { Course } from './course.js'
import { Inbox } from './inbox.js'
import type { PathsConfig } from './options.js'
import { Moves } from './moves.js'
import { NUMBER_BYTES, type ProbeContent, type ProbePacket } from './packet.js'
import type { Answer } from './questions.js'
import { Seal } from './seal.js'
import { Waiting, type Settle } from './waiting.js'

/** A path that was proved so many milliseconds ago is taken without another question. */
const FRESH_MS = 2_000
const MAX_TIMEOUT_MS = 300_000

/** What the paths of a connection need of the plugin. */
export interface KeptHost extends Pick<PluginContext<PathsConfig>, 'clock' | 'random' | 'events' | 'log' | 'config'> {
  /** The key that this node and the peer have in common. */
  keyWith(user: PathUser): Uint8Array
  /** Sends a datagram over a path, if its socket is still there. */
  send(data: Uint8Array, path: Path): void
  isCarried(path: Path): boolean
  /** From which socket to where a probe goes; throws `ERR_PATH` if it cannot go there. */
  pathTo(remote: Address, via: ProbeOptions['via'], datagramBytes: number): Path
  ended(kept: Kept): void
}

/** The paths of one connection: a {@link Course}, with the world around it. */
export class Kept implements KeptPaths {
  readonly #changes = new Subject<PathChange>()
  readonly #course: Course
  readonly #inbox = new Inbox()
  readonly #waiting = new Waiting()
  readonly #moves = new Moves()
  #sealed: Seal | undefined
  #timer: { readonly due: number; readonly background: boolean; readonly timer: ClockTimer } | undefined
  /** When the move under way began. */
  #moveBegan: number | undefined
  #over: PeerloomError | undefined

  constructor(
    private readonly user: PathUser,
    private readonly host: KeptHost
  ) {
    const { timeoutMs, standbyMs } = host.config
    this.#course = new Course(user.path, {
      dialler: user.dialler,
      timeoutMs,
      // The dialler asks first, which tells this side as well; it asks by itself when the dialler does not.
      standbyMs: user.dialler ? standbyMs : 1.25 * standbyMs,
      heardAt: () => user.heardAt,
      isCarried: (path) => host.isCarried(path),
      newNumber: () => this.#newNumber(),
      send: (kind, number, path) => {
        this.#send({ kind, number }, path, user.datagramBytes)
      },
      move: (path) => {
        if (this.#moves.isBusy) return false
        // What comes of it is told to the course; nobody else waits.
        this.#move(path).catch((error: unknown) => {
          host.log.debug(`${user.connection} could not move: ${messageOf(error)}`)
        })
        return true
      },
      proved: ({ path, rttMs }) => {
        host.events.emit('path.proved', { ...this.#details(path), ms: rttMs })
        this.#changes.next({ type: 'proved', path, rttMs })
      },
      moved: (path, before, by) => {
        const ms = by === 'us' && this.#moveBegan !== undefined ? { ms: this.#now - this.#moveBegan } : {}
        host.events.emit('path.moved', { ...this.#details(path), before, by, ...ms })
        this.#changes.next({ type: 'moved', path, before, by })
      },
      lost: (path) => {
        host.events.emit('path.lost', this.#details(path))
        this.#changes.next({ type: 'lost', path })
      }
    })
  }

  get paths(): readonly Path[] {
    return this.#course.book.paths
  }

  get hasOthers(): boolean {
    return this.#course.book.hasOthers
  }

  get paths$(): Observable<PathChange> {
    return this.#changes.asObservable()
  }

  // Both are async so that an error rejects and is not thrown.
  async probe(remote: Address, { via, timeoutMs, signal }: ProbeOptions = {}): Promise<Path> {
    this.#throwIfOver(signal)
    return this.#ask('probe', this.host.pathTo(remote, via, this.user.datagramBytes), timeoutMs, signal)
  }

  async migrate(path: Path, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    this.#throwIfOver(signal)
    if (Path.equals(path, this.#course.book.inUse)) return
    if (!this.host.isCarried(path)) throw new PeerloomError('ERR_PATH', 'the socket of the path is not carried')
    if (!this.user.dialler) await this.#ask('come', path, undefined, signal)
    else {
      const provedAt = this.#course.book.provedAt(path) ?? -Infinity
      if (this.#now - provedAt > FRESH_MS) {
        const proved = await this.#ask('probe', path, undefined, signal)
        if (!Path.equals(proved, path)) {
          throw new PeerloomError('ERR_PATH', `the peer answers from ${Address.format(proved.remote)}; take that path`)
        }
      }
      await this.#move(path, signal)
    }
  }

  moved(_before: Path, by: 'us' | 'peer'): void {
    if (this.#over !== undefined) return
    this.#course.moved(this.user.path, by, this.#now)
    this.#go()
  }

  suspect(): void {
    if (this.#over !== undefined) return
    this.#course.suspect(this.#now)
    this.#go()
  }

  end(reason: PeerloomError): void {
    if (this.#over !== undefined) return
    this.#over = reason
    this.#timer?.timer.clear()
    this.#timer = undefined
    this.#waiting.fail(reason)
    this.#course.questions.clear()
    this.#changes.complete()
    this.host.ended(this)
  }

  /** Takes a datagram that says that it is for this connection. Returns why it was dropped, if it was. */
  receive(packet: ProbePacket, path: Path): string | undefined {
    if (this.#over !== undefined) return 'unknown connection'
    if (!this.#seal.isGenuine(packet)) return 'not genuine'
    const dropped = this.#obey(packet, path)
    this.#go()
    return dropped
  }

  /** A socket is listened to no more. */
  abandon(local: Address, fallback: (remote: Address) => Path | undefined): void {
    if (this.#over !== undefined) return
    this.#course.abandon(local, fallback(this.#course.book.inUse.remote), this.#now)
    this.#go()
  }

  /** Whatever it elicits is one datagram, and no longer than it is itself. */
  #obey({ kind, number, returned = '', bytes }: ProbePacket, path: Path): string | undefined {
    const now = this.#now
    // One that is shorter than our datagrams does not prove that they are carried.
    if (kind !== 'confirmation' && bytes < this.user.datagramBytes) return 'short'
    switch (kind) {
      case 'probe': {
        const refused = this.#inbox.refuses(kind, number, now)
        if (refused !== undefined) return refused
        const back = this.#newNumber()
        this.#course.askedOver(path, back, now)
        this.#send({ kind: 'answer', number, returned: back }, path, bytes)
        return undefined
      }
      case 'answer': {
        const verdict = this.#course.answered(number, path, now)
        if (verdict === 'proved') this.#send({ kind: 'confirmation', number: returned }, path, 0)
        return verdict === 'proved' || verdict === 'led' ? undefined : verdict
      }
      case 'confirmation':
        return this.#course.confirmed(number, path, now)
      case 'come': {
        if (!this.user.dialler) return 'not for this side'
        const refused = this.#inbox.refuses(kind, number, now)
        if (refused === undefined) this.#course.invited(path, now)
        return refused
      }
    }
  }

  get #now(): number {
    return this.host.clock.monotonic()
  }

  /** Made when first needed, since the key takes a third of a millisecond. */
  get #seal(): Seal {
    this.#sealed ??= new Seal(this.host.keyWith(this.user), this.user.dialler)
    return this.#sealed
  }

  #newNumber(): string {
    return Buffer.from(this.host.random.bytes(NUMBER_BYTES)).toString('hex')
  }

  #send(content: Omit<ProbeContent, 'tag'>, path: Path, bytes: number): void {
    if (this.#over !== undefined) return
    this.host.send(this.#seal.write({ ...content, tag: this.user.peerTag }, bytes), path)
  }

  #ask(
    kind: 'probe' | 'come',
    path: Path,
    timeoutMs = this.host.config.timeoutMs,
    signal: AbortSignal | undefined
  ): Promise<Path> {
    if (!(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS)) {
      throw new InvalidInputError(
        `no time to ask for: ${String(timeoutMs)} ms (expected up to ${String(MAX_TIMEOUT_MS)})`
      )
    }
    const { questions } = this.#course
    const end = (settle: Settle) => (answer: Answer | undefined) => {
      const silence = `nothing has come of ${Address.format(path.remote)} in ${String(timeoutMs)} ms`
      settle(answer?.path ?? new PeerloomError('ERR_PATH', silence))
    }
    const answered = this.#waiting.for((settle) => {
      const question = this.#course.ask({ kind, path, timeoutMs, end: end(settle) }, this.#now)
      return question && (() => questions.cancel(question))
    }, signal)
    this.#go()
    return answered
  }

  #move(path: Path, signal?: AbortSignal): Promise<void> {
    return this.#moves.run(
      () => this.#moveNow(path, signal),
      () => {
        this.#course.moveEnded(this.#now)
        this.#go()
      }
    )
  }

  async #moveNow(path: Path, signal: AbortSignal | undefined): Promise<void> {
    this.#throwIfOver(signal)
    if (Path.equals(path, this.#course.book.inUse)) return
    this.#moveBegan = this.#now
    try {
      await this.user.move(path)
      this.moved(this.#course.book.inUse, 'us')
    } catch (cause) {
      this.#throwIfOver(undefined)
      this.#course.moveFailed(path, this.#now)
      throw cause instanceof PeerloomError ? cause : new PeerloomError('ERR_PATH', messageOf(cause), { cause })
    } finally {
      this.#moveBegan = undefined
    }
    this.#throwIfOver(undefined)
  }

  #throwIfOver(signal: AbortSignal | undefined): void {
    if (this.#over !== undefined) throw this.#over
    if (signal?.aborted === true) throw abortReason(signal)
  }

  #details(path: Path): { peer: NodeId; connection: string; local: Address; remote: Address } {
    const { peer, connection } = this.user
    return { peer, connection, ...path }
  }

  /** Does what is due. */
  readonly #go = (): void => {
    if (this.#over !== undefined) return
    this.#course.run(this.#now)
    this.#arm()
  }

  /** Sets the one timer. Virtual time need not go on where nobody waits, hence `background`. */
  #arm(): void {
    const { due, isSuspicious } = this.#course
    const background = this.#waiting.isNobody && !isSuspicious
    if (this.#timer?.due === due && this.#timer.background === background) return
    this.#timer?.timer.clear()
    this.#timer = undefined
    // A subscriber may have ended the connection meanwhile.
    if (this.#over !== undefined || due === Infinity) return
    const fire = (): void => {
      this.#timer = undefined
      this.#go()
    }
    this.#timer = { due, background, timer: this.host.clock.setTimeout(fire, due - this.#now, { background }) }
  }
}
