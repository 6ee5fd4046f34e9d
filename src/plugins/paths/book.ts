import { Path } from '../../kernel/index.js'

/** Paths that are kept of one connection. */
export const MAX_PATHS = 8

interface Entry {
  readonly path: Path
  /** When the peer has answered over it last; `undefined` for one over which only the peer has asked. */
  provedAt: number | undefined
}

/**
 * The paths of a connection: the one in use, those that were proved, and candidates, by which the peer has come. A
 * candidate takes the place of an older candidate, never of a proved path. Pure.
 */
export class PathBook {
  readonly #entries: Entry[] = []
  #inUse: Path

  constructor(inUse: Path) {
    this.#inUse = inUse
  }

  get inUse(): Path {
    return this.#inUse
  }

  /** The path in use, then those that were proved, the latest first. */
  get proved(): Path[] {
    const proved = this.#entries.filter(({ provedAt }) => provedAt !== undefined)
    proved.sort((a, b) => (b.provedAt as number) - (a.provedAt as number))
    return [this.#inUse, ...proved.map(({ path }) => path)]
  }

  /** All of them, candidates last. */
  get all(): Path[] {
    return [...this.proved, ...this.#entries.filter(({ provedAt }) => provedAt === undefined).map(({ path }) => path)]
  }

  get hasOthers(): boolean {
    return this.#entries.length > 0
  }

  /** When a path was proved last; `undefined` if it was not. */
  provedAt(path: Path): number | undefined {
    return this.#find(path)?.provedAt
  }

  has(path: Path): boolean {
    return this.#isInUse(path) || this.#find(path) !== undefined
  }

  /** The peer has asked over it. */
  suggest(path: Path): void {
    if (this.has(path)) return
    if (!this.#hasRoom && !this.#dropCandidate()) return
    this.#entries.push({ path, provedAt: undefined })
  }

  /** The peer has answered over it. Returns whether that is new, and the path that had to make room, if one had to. */
  prove(path: Path, now: number): { news: boolean; lost: Path | undefined } {
    if (this.#isInUse(path)) return { news: false, lost: undefined }
    const known = this.#find(path)
    if (known !== undefined) {
      const news = known.provedAt === undefined
      known.provedAt = now
      return { news, lost: undefined }
    }
    const lost = this.#hasRoom || this.#dropCandidate() ? undefined : this.#dropOldest()
    this.#entries.push({ path, provedAt: now })
    return { news: true, lost }
  }

  /** The connection takes another path; the one before has worked until now. Returns the path that had to make room. */
  use(path: Path, now: number): Path | undefined {
    const before = this.#inUse
    this.forget(path)
    this.#inUse = path
    return this.prove(before, now).lost
  }

  /** Takes one out that is not in use. False if it was not there, or but a candidate. */
  forget(path: Path): boolean {
    const at = this.#entries.findIndex((entry) => Path.equals(entry.path, path))
    if (at < 0) return false
    const [entry] = this.#entries.splice(at, 1)
    return entry?.provedAt !== undefined
  }

  get #hasRoom(): boolean {
    return this.#entries.length + 1 < MAX_PATHS
  }

  #dropCandidate(): boolean {
    const at = this.#entries.findIndex(({ provedAt }) => provedAt === undefined)
    if (at >= 0) this.#entries.splice(at, 1)
    return at >= 0
  }

  #dropOldest(): Path | undefined {
    const oldest = this.proved.at(-1) as Path
    this.forget(oldest)
    return oldest
  }

  #find(path: Path): Entry | undefined {
    return this.#entries.find((entry) => Path.equals(entry.path, path))
  }

  #isInUse(path: Path): boolean {
    return Path.equals(path, this.#inUse)
  }
}
