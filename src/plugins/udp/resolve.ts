import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { messageOf, PeerloomError, withDeadline, type Clock } from '../../kernel/index.js'
import { Address } from '../../model/index.js'

/** More addresses of one name than this are not tried. */
const MAX_RESULTS = 8
const RESOLVE_TIMEOUT_MS = 10_000
/** The system resolves a few at a time; what waits behind them must not grow without end. */
const MAX_AT_ONCE = 64

/** All IP addresses of a name, best first; node's own function, or a test's. */
export type LookUp = (host: string) => Promise<readonly { readonly address: string }[]>

const systemLookUp: LookUp = (host) => lookup(host, { all: true, verbatim: true })

/** Resolves names as the system does, bounded in results, time and number. */
export class Resolver {
  #running = 0

  constructor(
    private readonly clock: Clock,
    private readonly lookUp: LookUp = systemLookUp
  ) {}

  async resolve(host: string, options: { signal?: AbortSignal | undefined } = {}): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [Address.canonicalHost(host.toLowerCase())]
    let name: string
    try {
      name = Address.of(host, 1).host
    } catch (cause) {
      throw failure(messageOf(cause), cause)
    }
    return withDeadline(this.clock, RESOLVE_TIMEOUT_MS, () => this.#ask(name), {
      signal: options.signal,
      makeError: () => failure(`${name} was not resolved within ${RESOLVE_TIMEOUT_MS} ms; check the network's DNS`)
    })
  }

  async #ask(name: string): Promise<readonly string[]> {
    if (this.#running >= MAX_AT_ONCE) throw failure(`too many names are being resolved at once to resolve ${name}`)
    this.#running++
    const release = this.clock.hold()
    let answers: readonly { readonly address: string }[]
    try {
      answers = await this.lookUp(name)
    } catch (cause) {
      throw failure(`cannot resolve ${name}: ${messageOf(cause)}; check the name and the network's DNS`, cause)
    } finally {
      this.#running--
      release()
    }
    const hosts = answers.map(({ address }) => address.toLowerCase()).filter((address) => isIP(address) !== 0)
    const unique = [...new Set(hosts.map((address) => Address.canonicalHost(address)))]
    if (unique.length === 0) throw failure(`${name} has no IP address`)
    return unique.slice(0, MAX_RESULTS)
  }
}

function failure(message: string, cause?: unknown): PeerloomError {
  return new PeerloomError('ERR_RESOLVE', message, { cause })
}
