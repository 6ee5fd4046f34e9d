import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { InvalidInputError, type MethodOptions } from '../../kernel/index.js'

const positive = v.pipe(v.number(), v.gtValue(0))
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const isFunction = v.custom<(...parameters: never[]) => unknown>(
  (value) => typeof value === 'function',
  'not a function'
)

const rate = v.strictObject({
  perSecond: v.pipe(positive, v.finite()),
  burst: v.exactOptional(v.pipe(v.number(), v.finite(), v.minValue(1)))
})

/** What `MethodOptions` may say. Members of the method itself, and those of later versions, are passed over. */
const methodOptions = v.object({
  timeoutMs: v.optional(positive),
  idleTimeoutMs: v.optional(positive),
  idempotent: v.optional(v.boolean()),
  hidden: v.optional(v.boolean()),
  allow: v.optional(isFunction),
  errors: v.optional(v.array(v.unknown())),
  limits: v.optional(
    v.strictObject({
      rate: v.optional(rate),
      ratePerPeer: v.optional(rate),
      concurrent: v.optional(whole),
      concurrentPerPeer: v.optional(whole),
      maxInputBytes: v.optional(whole),
      maxInputDepth: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)))
    })
  )
})

/** What is given as a schema, if it is one. Throws `ERR_INVALID_INPUT`. */
export function checkSchema(name: string, schema: unknown): StandardSchemaV1 | undefined {
  if (schema === undefined) return undefined
  const candidate: Partial<StandardSchemaV1> | null = schema
  if (typeof candidate?.['~standard']?.validate === 'function') return candidate as StandardSchemaV1
  throw new InvalidInputError(`method ${name}: input and output are Standard Schemas (such as those of zod or valibot)`)
}

/** The options of a method, checked. Throws `ERR_INVALID_INPUT` that says which of them cannot be. */
export function checkOptions(name: string, options: MethodOptions): MethodOptions {
  const { issues } = v.safeParse(methodOptions, options)
  if (issues === undefined) return options
  const [{ message, path }] = issues
  throw new InvalidInputError(
    `method ${name}: ${path?.map(({ key }) => String(key)).join('.') ?? 'options'}: ${message}`
  )
}
