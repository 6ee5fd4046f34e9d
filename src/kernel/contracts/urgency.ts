import { InvalidInputError } from '../../model/index.js'

/** The urgency of a stream unless it is set (RFC 9218 §4.1). */
export const DEFAULT_URGENCY = 3
/** The greatest number, which is the least urgent. */
export const LEAST_URGENT = 7

/** Throws `ERR_INVALID_INPUT` for what is no urgency. */
export function checkUrgency(urgency: number): void {
  if (Number.isInteger(urgency) && urgency >= 0 && urgency <= LEAST_URGENT) return
  throw new InvalidInputError(`an urgency is a whole number from 0 to ${String(LEAST_URGENT)}, not ${String(urgency)}`)
}
