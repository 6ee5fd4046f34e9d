import { Path } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { PathBook } from './book.js'
import { Questions, type Answer, type Asker, type Question, type QuestionOptions } from './questions.js'
import { Returns } from './returns.js'
import { Suspicion } from './suspicion.js'

/** How soon a path is asked again for whose answer nobody waits. */
const LEISURE_MS = 500

/** What the course of a connection needs of the world. */
export interface Surroundings extends Asker {
  /** Whether this side dialled, and so is the one that moves. */
  readonly dialler: boolean
  /** How long a path is asked before it counts as dead, in milliseconds. */
  readonly timeoutMs: number
  /** How often the paths that are not in use are asked, in milliseconds. */
  readonly standbyMs: number
  /** When something was heard of the peer last. */
  heardAt(): number
  /** Whether the socket of a path is still there. */
  isCarried(path: Path): boolean
  /**
   * Begins to move to a path, on the dialler's side; `moved` or `moveFailed` is called then, and `moveEnded` in any case.
   * False if the connection is on the move already.
   */
  move(path: Path): boolean
  proved(answer: Answer): void
  moved(path: Path, before: Path, by: 'us' | 'peer'): void
  lost(path: Path): void
}

/**
 * The paths of one connection, and when to leave one for another: what is known, what is asked, what follows from the
 * answers. Pure: times are arguments, and what is to be done is told to its surroundings.
 */
export class Course {
  readonly book: PathBook
  readonly questions: Questions
  readonly #returns = new Returns()
  #suspicion: Suspicion | undefined
  /** When all paths are asked next, so that NATs keep their mappings and dead ones are noticed; and were asked last. */
  #roundAt = Infinity
  #lastRoundAt = -Infinity
  /** When the peer was heard of last by a probe or an answer. */
  #reportedAt = -Infinity

  constructor(
    inUse: Path,
    private readonly around: Surroundings
  ) {
    this.book = new PathBook(inUse)
    this.questions = new Questions(around)
  }

  /** When `run` has something to do. */
  get due(): number {
    return Math.min(this.questions.due, this.#roundAt)
  }

  /** Whether the path in use has fallen silent, or is gone. */
  get isSuspicious(): boolean {
    return this.#suspicion !== undefined
  }

  run(now: number): void {
    this.#dispel(this.around.heardAt())
    if (now >= this.#roundAt) this.#askStandbys(now)
    this.questions.run(now)
  }

  /** Asks over a path; `undefined` if too much is being asked already. */
  ask(options: QuestionOptions, now: number): Question | undefined {
    const { path, end } = options
    if (options.kind === 'come') return this.questions.ask(options, now)
    const judged: QuestionOptions['end'] = (answer, at) => {
      if (answer !== undefined) this.#prove(answer, at)
      const isElsewhere = answer !== undefined && !Path.equals(answer.path, path)
      const isSilent = answer === undefined && at - now >= this.around.timeoutMs
      // Where nothing at all is heard, the path is not to blame.
      if (isElsewhere || (isSilent && Math.max(this.around.heardAt(), this.#reportedAt) > now)) this.#lose(path, at)
      end(answer, at)
    }
    return this.questions.ask({ ...options, end: judged }, now)
  }

  /** The peer has answered; see `Questions.answered`. */
  answered(number: string, path: Path, now: number): ReturnType<Questions['answered']> {
    const verdict = this.questions.answered(number, path, now)
    if (verdict === 'proved' || verdict === 'led') this.#reportedAt = now
    return verdict
  }

  /** The peer has asked over a path; `number` is what it is asked in return. */
  askedOver(path: Path, number: string, now: number): void {
    this.#reportedAt = now
    this.#returns.ask(number, path, now)
  }

  /** The peer has confirmed an answer. Returns why that is worth nothing, if it is. */
  confirmed(number: string, path: Path, now: number): 'unasked' | undefined {
    const answer = this.#returns.answered(number, path, now)
    if (answer === undefined) return 'unasked'
    this.#reportedAt = now
    this.#prove(answer, now)
    return undefined
  }

  /** The other side, which cannot move by itself, wants the connection to take this path. */
  invited(path: Path, now: number): void {
    this.#reportedAt = now
    if (Path.equals(path, this.book.inUse)) return
    for (const question of this.questions) {
      if (question.once !== true || !Path.equals(question.path, path)) continue
      question.due = now
      return
    }
    // One probe for each invitation, so that whoever sends one on from another's address makes no more of it.
    const end = (answer: Answer | undefined): void => {
      if (answer !== undefined) this.around.move(path)
    }
    this.ask({ kind: 'probe', path, timeoutMs: this.around.timeoutMs, once: true, end }, now)
  }

  /** An answer is overdue on the path in use. */
  suspect(now: number): void {
    this.#dispel(this.around.heardAt())
    if (this.#suspicion === undefined) this.#doubt(now, false)
  }

  /** A socket is gone; `fallback` is a path to try instead of the one in use, if that went over it. */
  abandon(local: Address, fallback: Path | undefined, now: number): void {
    const isOver = (path: Path): boolean => Address.equals(path.local, local)
    const mustMove = isOver(this.book.inUse)
    if (mustMove) this.#endSuspicion()
    for (const path of this.book.paths) if (isOver(path)) this.#lose(path, now)
    for (const question of this.questions) if (isOver(question.path)) this.questions.settle(question, undefined, now)
    if (mustMove) this.#doubt(now, true, fallback)
  }

  /** The connection has taken another path. */
  moved(path: Path, by: 'us' | 'peer', now: number): void {
    const { inUse: before } = this.book
    if (Path.equals(path, before)) return
    this.#endSuspicion()
    const crowdedOut = this.book.use(path, now)
    this.around.moved(path, before, by)
    if (crowdedOut !== undefined) this.#tellLost(crowdedOut, now)
    if (!this.around.isCarried(before)) this.#lose(before, now)
    // Whether it was left for another or lost its address is not said; the path in use is asked for comparison.
    else for (const each of [before, path]) if (!this.#isAsked(each)) this.#askAtLeisure(each, now)
    for (const question of this.questions) {
      if (question.kind === 'come' && Path.equals(question.path, path)) {
        this.questions.settle(question, { path, rttMs: now - question.askedAt }, now)
      }
    }
    this.#scheduleRound()
  }

  /** The connection could not take a path. */
  moveFailed(path: Path, now: number): void {
    this.#lose(path, now)
    this.#suspicion?.failed(path)
  }

  /** The connection is not on the move any more. */
  moveEnded(now: number): void {
    this.#goOn(now)
  }

  #askStandbys(now: number): void {
    this.#lastRoundAt = now
    this.#scheduleRound()
    for (const path of this.book.paths) {
      if (this.#isAsked(path)) continue
      this.#askAtLeisure(path, now, (answer, at) => {
        const isSilent = answer === undefined && Path.equals(path, this.book.inUse)
        if (isSilent && this.around.heardAt() <= now && this.#reportedAt > now) this.suspect(at)
      })
    }
  }

  #askAtLeisure(path: Path, now: number, end: QuestionOptions['end'] = () => undefined): void {
    this.ask({ kind: 'probe', path, timeoutMs: this.around.timeoutMs, firstGapMs: LEISURE_MS, end }, now)
  }

  #doubt(now: number, isGone: boolean, fallback?: Path): void {
    this.#suspicion = new Suspicion(now, isGone, fallback)
    this.#goOn(now)
  }

  /** Goes to a path that has answered; asks all of them again when none has. */
  #goOn(now: number): void {
    const suspicion = this.#suspicion
    if (suspicion === undefined) return
    const path = suspicion.goal === undefined ? suspicion.answered[0] : undefined
    if (path !== undefined && this.#goTo(path, suspicion, now)) suspicion.going()
    if (suspicion.isStuck && !this.#askAll(suspicion, now)) this.#suspicion = undefined
  }

  /** False if there is nothing to ask, or it was asked often enough. */
  #askAll(suspicion: Suspicion, now: number): boolean {
    if (!suspicion.beginRound()) return false
    for (const path of suspicion.pathsToAsk(this.book.paths)) {
      const end: QuestionOptions['end'] = (answer, at) => {
        suspicion.waiting--
        if (this.#suspicion === suspicion) this.#weigh(answer, at)
      }
      const question = this.ask({ kind: 'probe', path, timeoutMs: this.around.timeoutMs, end }, now)
      if (question !== undefined) suspicion.waiting++
    }
    return suspicion.waiting > 0
  }

  #weigh(answer: Answer | undefined, now: number): void {
    if (answer !== undefined && Path.equals(answer.path, this.book.inUse)) {
      this.#endSuspicion()
      return
    }
    this.#dispel(this.around.heardAt())
    if (answer !== undefined) this.#suspicion?.answered.push(answer.path)
    this.#goOn(now)
  }

  #goTo(path: Path, suspicion: Suspicion, now: number): boolean {
    if (this.around.dialler) return this.around.move(path)
    const end = (answer: Answer | undefined, at: number): void => {
      if (answer !== undefined) return
      this.moveFailed(path, at)
      this.#goOn(at)
    }
    suspicion.invitation = this.ask({ kind: 'come', path, timeoutMs: this.around.timeoutMs, end }, now)
    return suspicion.invitation !== undefined
  }

  /** Something was heard of the peer. */
  #dispel(heardAt: number): void {
    const suspicion = this.#suspicion
    if (suspicion !== undefined && !suspicion.isGone && heardAt > suspicion.since) this.#endSuspicion()
  }

  #endSuspicion(): void {
    const invitation = this.#suspicion?.invitation
    this.#suspicion = undefined
    if (invitation !== undefined) this.questions.cancel(invitation)
  }

  #prove(answer: Answer, now: number): void {
    const { news, lost } = this.book.prove(answer.path, now)
    if (lost !== undefined) this.#tellLost(lost, now)
    if (news) this.around.proved(answer)
    this.#scheduleRound()
    // Where the path in use is gone, the first that works is as good as any.
    if (this.#suspicion === undefined && !this.around.isCarried(this.book.inUse)) this.#doubt(now, true)
  }

  #isAsked(path: Path): boolean {
    for (const question of this.questions) if (Path.equals(question.path, path)) return true
    return false
  }

  #lose(path: Path, now: number): void {
    if (this.book.forget(path)) this.#tellLost(path, now)
  }

  #tellLost(path: Path, now: number): void {
    this.around.lost(path)
    for (const question of this.questions) {
      if (Path.equals(question.path, path)) this.questions.settle(question, undefined, now)
    }
  }

  /** As soon as one of the others was not proved for so long. */
  #scheduleRound(): void {
    this.#roundAt = Math.max(this.book.oldestProof, this.#lastRoundAt) + this.around.standbyMs
  }
}
