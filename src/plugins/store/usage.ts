import { InvalidInputError, PeerloomError, type NamespaceLimits } from '../../kernel/index.js'
import { decodeText, encodeName } from './keys.js'

/** What an entry is taken to cost beside its bytes, so that many small ones are bounded as well. */
const ENTRY_OVERHEAD_BYTES = 100

/** How much of the whole one namespace of the application may take, unless it is said. */
const NAMESPACE_SHARE = 3 / 4

export interface Quotas {
  /** Bytes that all entries together may take. */
  readonly maxBytes: number
  /** Bytes that each namespace directly below the root may take, with those inside it. */
  readonly maxNamespaceBytes?: number | undefined
}

interface Limit {
  readonly path: string
  readonly maxBytes: number
}

/** What an entry of a namespace is taken to cost. Path and key are encoded. */
export function costOf(path: string, key: string, valueBytes: number): number {
  return path.length + key.length + valueBytes + ENTRY_OVERHEAD_BYTES
}

/**
 * A namespace, by its path: each name from the root on, encoded and followed by "/". Names have no "/", so no two paths
 * are spelled alike. With it, the limits that hold for whoever writes here.
 */
export class Place {
  private constructor(
    readonly path: string,
    readonly limits: readonly Limit[],
    private readonly share: number
  ) {}

  static root({ maxBytes, maxNamespaceBytes }: Quotas): Place {
    const share = maxNamespaceBytes ?? Math.floor(maxBytes * NAMESPACE_SHARE)
    return new Place('', [{ path: '', maxBytes }], share)
  }

  /** A namespace in this one; throws `ERR_INVALID_INPUT`. */
  child(name: string, { maxBytes }: NamespaceLimits = {}): Place {
    if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes >= 0)) {
      throw new InvalidInputError(`not a limit of a namespace: ${String(maxBytes)} (expected an integer from 0)`)
    }
    const path = `${this.path}${encodeName(name)}/`
    const limits = [...this.limits]
    if (this.path === '') limits.push({ path, maxBytes: this.share })
    if (maxBytes !== undefined) limits.push({ path, maxBytes })
    return new Place(path, limits, this.share)
  }
}

/** The room that each namespace takes, with those inside it; the path of the root is empty. */
export class Usage {
  readonly #bytes: Map<string, number>

  constructor(bytes: Iterable<readonly [path: string, bytes: number]> = []) {
    this.#bytes = new Map(bytes)
  }

  bytes(path: string): number {
    return this.#bytes.get(path) ?? 0
  }

  /** Counts what is about to be written at a place, or throws `ERR_STORE` if that takes too much room. */
  take({ path, limits }: Place, growth: number): void {
    if (growth > 0) {
      for (const limit of limits) if (this.bytes(limit.path) + growth > limit.maxBytes) throw fullError(limit)
    }
    this.add(path, growth)
  }

  add(path: string, growth: number): void {
    for (const each of pathsTo(path)) {
      const bytes = this.bytes(each) + growth
      if (bytes > 0) this.#bytes.set(each, bytes)
      else this.#bytes.delete(each)
    }
  }

  [Symbol.iterator](): IterableIterator<[path: string, bytes: number]> {
    return this.#bytes.entries()
  }
}

/** The path of the root and of each namespace on the way to one, itself included. */
export function pathsTo(path: string): string[] {
  const paths = ['']
  for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) paths.push(path.slice(0, end + 1))
  return paths
}

function fullError({ path, maxBytes }: Limit): PeerloomError {
  const what = path === '' ? 'store' : `namespace ${decodeText(path.slice(0, -1))} of the store`
  const option = path === '' ? 'maxBytes' : 'its maxBytes, or maxNamespaceBytes of the store'
  return new PeerloomError('ERR_STORE', `the ${what} is full (${maxBytes} bytes); delete something or raise ${option}`)
}
