import { Path } from '../../kernel/index.js'
import type { Question } from './questions.js'

/** How often all paths are asked before the connection is left to its idle timeout. */
const MAX_ROUNDS = 8

/** The path in use has fallen silent, or is gone: what the others have answered, and which of them is being taken. Pure. */
export class Suspicion {
  /** Paths that have answered, the first of them first. */
  readonly answered: Path[] = []
  /** Questions of this round that are still open. */
  waiting = 0
  /** The path that the connection is about to take. */
  goal: Path | undefined
  /** How the other side is asked to take it. */
  invitation: Question | undefined
  #rounds = 0

  constructor(
    readonly since: number,
    /** Whether the path in use cannot come back. */
    readonly isGone: boolean,
    /** One that is not known to work, and is worth a try. */
    private readonly fallback: Path | undefined
  ) {}

  /** Those that may answer, of all paths with the one in use first. */
  pathsToAsk(paths: readonly Path[]): readonly Path[] {
    if (!this.isGone) return paths
    return this.fallback === undefined ? paths.slice(1) : [this.fallback, ...paths.slice(1)]
  }

  /** Whether nothing is under way any more. */
  get isStuck(): boolean {
    return this.waiting === 0 && this.goal === undefined && this.answered.length === 0
  }

  /** False if there have been enough. */
  beginRound(): boolean {
    return this.#rounds++ < MAX_ROUNDS
  }

  /** The first of those that have answered is being taken. */
  going(): void {
    this.goal = this.answered.shift()
  }

  /** It could not be taken. */
  failed(path: Path): void {
    if (this.goal !== undefined && Path.equals(path, this.goal)) this.goal = undefined
  }
}
