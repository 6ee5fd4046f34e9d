/**
 * The root of every error that Peerloom throws or rejects with.
 *
 * `code` is stable across releases and listed in docs/architecture.md; the message says what happened and what to do;
 * `cause` keeps the error underneath.
 */
export class PeerloomError extends Error {
  override readonly name: string = 'PeerloomError'

  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions
  ) {
    super(message, options)
  }
}

/** A value from outside (a text, a file, the network) that is not what it claims to be. */
export class InvalidInputError extends PeerloomError {
  override readonly name: string = 'InvalidInputError'

  constructor(message: string, options?: ErrorOptions) {
    super('ERR_INVALID_INPUT', message, options)
  }
}
