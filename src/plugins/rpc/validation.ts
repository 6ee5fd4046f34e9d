import type { StandardSchemaV1 } from '@standard-schema/spec'
import { RpcCode, RpcError, type JsonValue } from '../../kernel/index.js'
import { withChecked } from './checked-input.js'
import { isThenable } from './item-iterator.js'
import type { MethodName, Run } from './method.js'

/** What a schema may say of one value; whatever more it says stays here. */
export const MAX_ISSUES = 16
const MAX_TEXT = 200

type Refusal = (text: string, data: JsonValue) => RpcError

/** A handler that gets only what its schema gives. Anything else is refused with INVALID_PARAMS and the issues. */
export function validated(method: MethodName, run: Run, schema: StandardSchemaV1): Run {
  const refusal: Refusal = (text, data) => new RpcError(RpcCode.INVALID_PARAMS, text, { data })
  return withChecked(method, run, (input) => valid(schema, input, refusal))
}

/** A value that a peer answered, as its schema gives it, now or later. Fails with INTERNAL_ERROR and the issues. */
export function validAnswer(schema: StandardSchemaV1, value: unknown): unknown {
  const refusal: Refusal = (text, data) =>
    new RpcError(RpcCode.INTERNAL_ERROR, `not the answer that was expected: ${text}`, { data, local: true })
  return valid(schema, value, refusal)
}

function valid(schema: StandardSchemaV1, value: unknown, refusal: Refusal): unknown {
  const take = (result: StandardSchemaV1.Result<unknown>): unknown => {
    if (result.issues === undefined) return result.value
    const issues = result.issues.slice(0, MAX_ISSUES).map(plain)
    const text = issues.map(({ message, path }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    throw refusal(text.join('; '), { issues })
  }
  const result = schema['~standard'].validate(value)
  return isThenable(result) ? result.then(take) : take(result)
}

/** An issue in JSON. */
function plain({ message, path = [] }: StandardSchemaV1.Issue): { readonly message: string; readonly path: string[] } {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part).slice(0, MAX_TEXT))
  return { message: message.slice(0, MAX_TEXT), path: keys.slice(0, MAX_ISSUES) }
}
