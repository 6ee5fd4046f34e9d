import { LifecycleError, messageOf } from '../index.js'

/** What went wrong, in one sentence for a person: the message of the plugin that failed, not of those around it. */
export function sentenceOf(error: unknown): string {
  const root = error instanceof LifecycleError && error.cause !== undefined ? error.cause : error
  return messageOf(root).replace(/\s*\n\s*(- )?/g, ' ')
}

/** Ends the command: one sentence on standard error and status 1. */
export function fail(error: unknown): void {
  process.stderr.write(`peerloom: ${sentenceOf(error)}\n`)
  process.exitCode = 1
}
