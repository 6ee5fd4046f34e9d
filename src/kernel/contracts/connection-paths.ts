import { Subject, type Observable } from 'rxjs'
import { PeerloomError, type Address } from '../../model/index.js'
import type { KeptPaths, Path, PathChange, Paths, PathUser, ProbeOptions } from './paths.js'

/**
 * What a `Connection` shows of its paths, for transports: whether anyone keeps paths or not, and without any cost until
 * someone asks.
 */
export class ConnectionPaths {
  #kept: KeptPaths | undefined
  #changes: Subject<PathChange> | undefined
  #ended: PeerloomError | undefined

  /** @param keeper the plugin that keeps paths, if there is one */
  constructor(
    private readonly keeper: Paths | undefined,
    private readonly user: PathUser
  ) {}

  /** The kept paths, if any were needed so far. */
  get ifKept(): KeptPaths | undefined {
    return this.#kept
  }

  /** The kept paths, made now if need be; `undefined` if nobody keeps any, or the connection has ended before. */
  get kept(): KeptPaths | undefined {
    if (this.#ended === undefined) this.#kept ??= this.keeper?.keep(this.user)
    return this.#kept
  }

  get paths(): readonly Path[] {
    return this.#kept?.paths ?? [this.user.path]
  }

  get paths$(): Observable<PathChange> {
    if (this.kept !== undefined) return this.kept.paths$
    this.#changes ??= new Subject()
    if (this.#ended !== undefined) this.#changes.complete()
    return this.#changes.asObservable()
  }

  // Both are async so that an error rejects and is not thrown.
  async probe(remote: Address, options?: ProbeOptions): Promise<Path> {
    return this.#keptOrThrow().probe(remote, options)
  }

  async migrate(path: Path, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return this.#keptOrThrow().migrate(path, options)
  }

  /** The connection has ended. */
  end(reason: PeerloomError): void {
    this.#ended ??= reason
    this.#kept?.end(reason)
    this.#changes?.complete()
  }

  #keptOrThrow(): KeptPaths {
    if (this.#ended !== undefined) throw this.#ended
    if (this.kept !== undefined) return this.kept
    throw new PeerloomError('ERR_PATH', 'no plugin keeps paths; add the plugin "paths"')
  }
}
