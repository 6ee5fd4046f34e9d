import { fail } from './failure.js'

/**
 * A signal that is aborted by Ctrl-C, by SIGTERM, or when nobody takes the output any more, so that the command stops
 * in order. A second Ctrl-C ends the process at once, for whoever will not wait.
 */
export function untilInterrupted(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
    controller.abort(name)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // These stay: what was written last may fail after the command is done.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has had enough, such as `head`, is no failure.
    if (error.code !== 'EPIPE' && !controller.signal.aborted) fail(error)
    controller.abort(error)
  })
  process.stderr.on('error', () => {
    controller.abort()
  })
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    }
  }
}

/** Resolves when the signal is aborted, keeping the process alive meanwhile. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else
      signal.addEventListener(
        'abort',
        () => {
          resolve()
        },
        { once: true }
      )
  })
}

/** The promise, or a rejection with the signal's reason as soon as that is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([
    promise,
    aborted(signal).then(() => {
      throw signal.reason instanceof Error ? signal.reason : new Error('interrupted')
    })
  ])
}
