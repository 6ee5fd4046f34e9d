import type { StandardSchemaV1 } from '@standard-schema/spec'
import { InvalidInputError, type AnyIterable, type MethodKind } from 'peerloom'

type Handle = (...parameters: unknown[]) => unknown

/** A handler of a kind that is given checked input only. */
export function checkedHandler(kind: MethodKind, handle: Handle, schema: StandardSchemaV1 | undefined): Handle {
  const isStream = kind === 'client' || kind === 'duplex'
  const check = (input: unknown): unknown => {
    if (schema === undefined) return input
    return isStream ? checkEach(schema, input as AsyncIterable<unknown>) : checkOne(schema, input)
  }
  if (kind === 'server' || kind === 'duplex') {
    return async function* (input, ...others) {
      yield* handle(await check(input), ...others) as AnyIterable<unknown>
    }
  }
  return async (input, ...others) => handle(await check(input), ...others)
}

async function checkOne(schema: StandardSchemaV1, input: unknown): Promise<unknown> {
  const result = await schema['~standard'].validate(input)
  if (result.issues === undefined) return result.value
  throw new InvalidInputError(result.issues.map(({ message, path }) => `${pathText(path)}${message}`).join('; '))
}

async function* checkEach(schema: StandardSchemaV1, items: AsyncIterable<unknown>): AsyncGenerator {
  for await (const item of items) yield await checkOne(schema, item)
}

function pathText(path: StandardSchemaV1.Issue['path'] = []): string {
  if (path.length === 0) return ''
  return `${path.map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.')}: `
}
