import { Inject } from '@nestjs/common'
import type { Token } from 'peerloom'

type ParameterAt<C, I extends number> = C extends abstract new (...args: infer A) => unknown ? A[I] : never
type Fits<T, A> = [T] extends [A] ? unknown : { 'the parameter does not have the type of the token': T }

/**
 * Injects a contract of the node that was named in `PeerloomModule.forContracts`. A parameter of another type does not
 * compile. It is what provides the contract at the start: after `kernel.replace`, ask `node.kernel.resolve`.
 *
 * @example
 * constructor(@InjectContract(Router) private readonly router: Router) {}
 */
export function InjectContract<T>(
  token: Token<T>
): <C extends abstract new (...args: never[]) => unknown, I extends number>(
  target: C & Fits<T, ParameterAt<C, I>>,
  key: undefined,
  index: I
) => void {
  return (target, key, index) => {
    Inject(token)(target, key, index)
  }
}
