import { isThenable } from './item-iterator.js'
import type { MethodName, Run } from './method.js'
import { promised, TappedItems } from './outcome.js'

/**
 * A handler whose input, or each item of it, is first looked at by `check`, which gives what the handler gets instead,
 * now or later. A bad item ends the call, whatever the handler makes of it.
 */
export function withChecked({ kind }: MethodName, run: Run, check: (input: unknown) => unknown): Run {
  if (kind === 'client' || kind === 'duplex') {
    return (call, items) => {
      const failure = (error: unknown): unknown => {
        call.abort(error as Error)
        return error
      }
      return run(call, new TappedItems(items as AsyncIterable<unknown>, { value: check, failure }))
    }
  }
  return (call, input, body) => {
    const checked = check(input)
    if (!isThenable(checked)) return run(call, checked, body)
    return promised(
      kind,
      checked.then((value) => run(call, value, body))
    )
  }
}
