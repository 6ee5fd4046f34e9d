import { Path } from '../../kernel/index.js'

/** Paths that are kept of one connection. */
export const MAX_PATHS = 8

interface Entry {
  readonly path: Path
  /** When the peer has answered over it last. */
  provedAt: number
}

/** The paths of a connection: the one in use, and those that were proved. Pure. */
export class PathBook {
  readonly #others: Entry[] = []
  #inUse: Path

  constructor(inUse: Path) {
    this.#inUse = inUse
  }

  get inUse(): Path {
    return this.#inUse
  }

  /** The path in use, then the others, the latest proved first. */
  get paths(): Path[] {
    return [this.#inUse, ...[...this.#others].sort((a, b) => b.provedAt - a.provedAt).map(({ path }) => path)]
  }

  get hasOthers(): boolean {
    return this.#others.length > 0
  }

  /** When that of the others was proved which was so longest ago; Infinity if there are none. */
  get oldestProof(): number {
    return this.#others.reduce((oldest, { provedAt }) => Math.min(oldest, provedAt), Infinity)
  }

  /** When one of the others was proved last; `undefined` if it is none of them. */
  provedAt(path: Path): number | undefined {
    return this.#others.find((entry) => Path.equals(entry.path, path))?.provedAt
  }

  /** The peer has answered over it. Returns whether that is new, and the path that had to make room, if one had to. */
  prove(path: Path, now: number): { news: boolean; lost: Path | undefined } {
    if (Path.equals(path, this.#inUse)) return { news: false, lost: undefined }
    const known = this.#others.find((entry) => Path.equals(entry.path, path))
    if (known !== undefined) known.provedAt = now
    const lost = known === undefined && this.#others.length + 1 >= MAX_PATHS ? this.paths.at(-1) : undefined
    if (lost !== undefined) this.forget(lost)
    if (known === undefined) this.#others.push({ path, provedAt: now })
    return { news: known === undefined, lost }
  }

  /** The connection takes another path; the one before has worked until now. Returns the path that had to make room. */
  use(path: Path, now: number): Path | undefined {
    const before = this.#inUse
    this.forget(path)
    this.#inUse = path
    return this.prove(before, now).lost
  }

  /** Takes out one of the others. False if it was none. */
  forget(path: Path): boolean {
    const at = this.#others.findIndex((entry) => Path.equals(entry.path, path))
    if (at >= 0) this.#others.splice(at, 1)
    return at >= 0
  }
}
