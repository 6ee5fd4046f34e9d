import type { ClientOptions, Manifest, MethodKind, MethodOptions, MethodMessages } from '../../kernel/index.js'
import { asClass, errorClasses } from './error-classes.js'
import { checkSchema } from './method-options.js'
import { tap, type Taps } from './outcome.js'
import { validAnswer } from './validation.js'

type Call = (...parameters: unknown[]) => unknown

/** The function that calls a method, with what it gives as the manifest wants it; itself if that wants nothing. */
export function withAnswer(
  name: string,
  kind: MethodKind,
  entry: Manifest[string],
  options: Pick<ClientOptions, 'errors'>,
  call: Call
): Call {
  const { output, errors = [] } = entry as MethodOptions & MethodMessages
  const schema = checkSchema(name, output)
  const classes = errorClasses(name, [...(options.errors ?? []), ...errors])
  if (schema === undefined && classes.size === 0) return call
  const taps: Taps = {
    ...(schema && { value: (value: unknown) => validAnswer(schema, value) }),
    ...(classes.size > 0 && { failure: (error: unknown) => asClass(error, classes) })
  }
  return (...parameters) => tap(kind, call(...parameters), taps)
}
