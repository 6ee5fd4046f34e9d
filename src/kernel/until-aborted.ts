import { Observable, type MonoTypeOperatorFunction } from 'rxjs'
import { abortReason } from './errors.js'

/** Fails with the signal's reason once it is aborted, and unsubscribes from the source then. */
export function untilAborted<T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> {
  return (source) =>
    signal === undefined
      ? source
      : new Observable<T>((subscriber) => {
          const onAbort = (): void => subscriber.error(abortReason(signal))
          if (signal.aborted) {
            onAbort()
            return
          }
          signal.addEventListener('abort', onAbort, { once: true })
          subscriber.add(() => signal.removeEventListener('abort', onAbort))
          subscriber.add(source.subscribe(subscriber))
        })
}
