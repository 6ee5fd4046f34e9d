import { catchError, concat, defer, EMPTY, tap, throwError, type Observable } from 'rxjs'
import { Address, InvalidInputError, PeerloomError, type NodeId } from '../../model/index.js'
import { AbortError, ConnectError, type CandidateFailure, type Clock, type ConnectReport } from '../../kernel/index.js'
import type { ConnectStage, PathStep } from './stage.js'

/**
 * Fails with a `ConnectError` that reports all that was tried, if the source ends without a connection or fails; the
 * source's own error is its cause. Two errors pass as they are, since nothing was tried and failed: an `AbortError`,
 * and an `InvalidInputError`.
 */
export function reportFailure(peer: NodeId, clock: Clock): ConnectStage {
  return (source) =>
    defer((): Observable<PathStep> => {
      const story = new Story(peer, clock)
      const fail = (error: unknown): Observable<PathStep> => throwError(() => error)
      return concat(
        source.pipe(
          tap((step) => {
            story.add(step)
          }),
          catchError((error: unknown) =>
            error instanceof AbortError || error instanceof InvalidInputError
              ? fail(error)
              : fail(new ConnectError(story.report(error), { cause: error }))
          )
        ),
        defer(() => (story.connected ? EMPTY : fail(new ConnectError(story.report()))))
      )
    })
}

/** What has happened so far. */
class Story {
  connected = false
  readonly #startedAt: number
  readonly #failures: CandidateFailure[] = []
  readonly #dialling = new Map<string, { readonly address: Address; readonly since: number }>()
  #discovery: { found: boolean; hops: number; contacted: readonly NodeId[] } | undefined

  constructor(
    private readonly peer: NodeId,
    private readonly clock: Clock
  ) {
    this.#startedAt = clock.monotonic()
  }

  add(step: PathStep): void {
    if (step.type === 'connected') {
      this.connected = true
    } else if (step.type === 'dialing') {
      this.#dialling.set(Address.format(step.address), { address: step.address, since: this.clock.monotonic() })
    } else if (step.type === 'failed' && 'failure' in step) {
      this.#dialling.delete(Address.format(step.failure.address))
      this.#failures.push(step.failure)
    } else if (step.type === 'query') {
      const { hops = 0, contacted = [] } = this.#discovery ?? {}
      this.#discovery = { found: false, hops: Math.max(hops, step.hop), contacted: [...contacted, step.node] }
    } else if (step.type === 'contact' && this.#discovery !== undefined) {
      this.#discovery.found = true
    } else if (step.type === 'done') {
      this.#discovery = { found: step.found, hops: step.hops, contacted: step.contacted }
    }
  }

  /** `cause`: what cut the attempt off, and with it the dials that had no answer yet. */
  report(cause?: unknown): ConnectReport {
    const now = this.clock.monotonic()
    const code = cause instanceof PeerloomError ? cause.code : 'ERR_DIAL'
    const cutOff = [...this.#dialling.values()].map(({ address, since }) => ({
      address,
      code,
      error: cause,
      ms: now - since
    }))
    return {
      peer: this.peer,
      ms: now - this.#startedAt,
      candidates: [...this.#failures, ...cutOff],
      ...(this.#discovery === undefined ? {} : { discovery: this.#discovery })
    }
  }
}
