import { Allowance } from './allowance.js'
import { RecentNumbers } from './recent.js'

/** Probes that are answered at once, and in each second after that. */
export const ANSWERS = { burst: 256, perSecond: 128 }
/** Requests to come that are followed at once, and in each second after that. */
export const INVITATIONS = { burst: 32, perSecond: 16 }
/** Numbers of probes that are remembered after they were answered. */
export const REMEMBERED_NUMBERS = 512

/** Which of the peer's genuine probes are heeded: none twice, and not too many. Pure. */
export class Inbox {
  readonly #recent = new RecentNumbers(REMEMBERED_NUMBERS)
  readonly #answers = new Allowance(ANSWERS.burst, ANSWERS.perSecond)
  readonly #invitations = new Allowance(INVITATIONS.burst, INVITATIONS.perSecond)

  /** Why a probe is not heeded, or `undefined` if it is. */
  refuses(kind: 'probe' | 'come', number: string, now: number): 'replayed' | 'too many' | undefined {
    // One that comes again, from another address above all, may have been sent on by somebody who has overheard it.
    if (!this.#recent.add(number)) return 'replayed'
    return (kind === 'probe' ? this.#answers : this.#invitations).take(now) ? undefined : 'too many'
  }
}
