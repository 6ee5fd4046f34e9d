import { Path } from '../../kernel/index.js'
import type { ProbeKind } from './packet.js'

/** The second probe follows the first after this time, each further one after twice the time before. */
export const FIRST_GAP_MS = 33
/** Questions that one connection may have open. */
export const MAX_QUESTIONS = 64
/** Numbers of one question of which an answer is still taken; the oldest are given up. */
const MAX_NUMBERS = 12

/** The path over which the peer has answered, and the round trip in milliseconds. */
export interface Answer {
  readonly path: Path
  readonly rttMs: number
}

export interface QuestionOptions {
  readonly kind: Extract<ProbeKind, 'probe' | 'come'>
  readonly path: Path
  readonly timeoutMs: number
  /** How soon it is asked again at first; {@link FIRST_GAP_MS} unless given. */
  readonly firstGapMs?: number
  /** Asks once, unless told to ask again, and takes an answer over that very path alone. */
  readonly once?: boolean
  /** Called once, unless it is cancelled: with the answer, or with nothing when the time is up. */
  readonly end: (answer: Answer | undefined, now: number) => void
}

export interface Question extends QuestionOptions {
  readonly askedAt: number
  readonly deadline: number
  due: number
  gapMs: number
  readonly numbers: string[]
}

/** How numbers are made and probes are sent. */
export interface Asker {
  newNumber(): string
  send(kind: 'probe' | 'come', number: string, path: Path): void
}

interface Asked {
  readonly question: Question
  readonly path: Path
  readonly sentAt: number
  /** Whether it may lead to a question to another address, from which it is answered. */
  mayLead: boolean
}

/**
 * What is asked over which path, how often, and what counts as an answer. Each probe has a number of its own, so that an
 * answer tells the round trip, and a repetition is no replay.
 *
 * An answer proves the path that it came by only if that path was asked. If it came from elsewhere (a NAT stands
 * between, or somebody has sent on what he overheard), that source is asked once itself. Pure: times are arguments.
 */
export class Questions {
  readonly #open = new Set<Question>()
  readonly #asked = new Map<string, Asked>()

  constructor(private readonly asker: Asker) {}

  get size(): number {
    return this.#open.size
  }

  /** Probes of which an answer is still taken. */
  get outstanding(): number {
    return this.#asked.size
  }

  /** When `run` has something to do. */
  get due(): number {
    let due = Infinity
    for (const question of this.#open) due = Math.min(due, question.due, question.deadline)
    return due
  }

  *[Symbol.iterator](): Iterator<Question> {
    yield* this.#open
  }

  /** Asks at the next `run`. `undefined` if too many questions are open. */
  ask(options: QuestionOptions, now: number): Question | undefined {
    if (this.#open.size >= MAX_QUESTIONS) return undefined
    const { timeoutMs, firstGapMs: gapMs = FIRST_GAP_MS } = options
    const question = { ...options, askedAt: now, deadline: now + timeoutMs, due: now, gapMs, numbers: [] }
    this.#open.add(question)
    return question
  }

  /** Asks what is due, and ends what has waited long enough. */
  run(now: number): void {
    for (const question of this.#open) {
      if (now >= question.deadline) this.settle(question, undefined, now)
      else if (now >= question.due) {
        question.due = question.once === true ? Infinity : now + question.gapMs
        question.gapMs *= 2
        this.#send(question, question.path, now, question.once !== true)
      }
    }
  }

  /**
   * The peer has answered. `proved` if over the path that was asked, `led` if another one was asked on this; otherwise
   * why the answer is worth nothing.
   */
  answered(number: string, path: Path, now: number): 'proved' | 'led' | 'unasked' | 'elsewhere' {
    const asked = this.#asked.get(number)
    if (asked === undefined) return 'unasked'
    const { question } = asked
    if (Path.equals(path, asked.path)) {
      this.settle(question, { path, rttMs: now - asked.sentAt }, now)
      return 'proved'
    }
    if (!asked.mayLead) return 'elsewhere'
    asked.mayLead = false
    this.#send(question, path, now, false)
    return 'led'
  }

  /** Ends a question. */
  settle(question: Question, answer: Answer | undefined, now: number): void {
    if (this.cancel(question)) question.end(answer, now)
  }

  /** Ends a question without a word. False if it has ended already. */
  cancel(question: Question): boolean {
    for (const number of question.numbers) this.#asked.delete(number)
    return this.#open.delete(question)
  }

  clear(): void {
    this.#open.clear()
    this.#asked.clear()
  }

  #send(question: Question, path: Path, now: number, mayLead: boolean): void {
    const number = this.asker.newNumber()
    // The peer answers to no invitation: the dialler asks a question of its own instead.
    if (question.kind === 'probe') {
      this.#asked.set(number, { question, path, sentAt: now, mayLead })
      question.numbers.push(number)
      if (question.numbers.length > MAX_NUMBERS) this.#asked.delete(question.numbers.shift() as string)
    }
    this.asker.send(question.kind, number, path)
  }
}
