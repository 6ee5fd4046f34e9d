import { InvalidInputError } from './errors.js'

/** Throws `ERR_INVALID_INPUT` for what is given as a signal and is none, of whatever make. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined) return
  const { aborted, addEventListener, removeEventListener } = (signal ?? {}) as Partial<AbortSignal>
  if (
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
  )
    return
  throw new InvalidInputError('signal must be an AbortSignal')
}
