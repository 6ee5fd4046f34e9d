import { expect } from 'chai'
import fc from 'fast-check'
import { RequestReader, resultBetween } from '#src/plugins/rpc/envelope.js'
import { parseJson } from '#src/plugins/rpc/json.js'
import { asRequest, requestText, resultOf, resultText } from '#src/plugins/rpc/messages.js'

const MAX_DEPTH = 8

/** What a function gives, or what it throws. */
function outcome(work: () => unknown): unknown {
  try {
    return { value: JSON.stringify(work()) }
  } catch (error) {
    const { name, message, rpcCode } = error as Error & { rpcCode?: number }
    return { name, message, rpcCode }
  }
}

function within<T>(text: string, read: (bytes: Uint8Array, from: number, to: number) => T): T {
  const bytes = Buffer.from(`{"${text}"}`)
  return read(bytes, 2, bytes.length - 2)
}

const json = fc.jsonValue({ maxDepth: 9 }).map((value) => JSON.stringify(value))
/** Values, and what is none but might pass for one between a head and a tail. */
const middle = fc.oneof(
  json,
  fc.constantFrom(
    '',
    '1,"id":2',
    '1}',
    '{}},{',
    '1,"params":2',
    '"\\',
    '1,"error":{"code":1,"message":"x"}',
    '[[[[[[[[1]]]]]]]]'
  )
)

describe('rpc: envelopes', () => {
  it('that are known are read as if they were parsed', () => {
    const message = fc.record({
      method: fc.constantFrom('a', 'b'),
      params: middle,
      timeoutMs: fc.constantFrom(1, 60_000, Infinity)
    })
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages) => {
        const reader = new RequestReader(MAX_DEPTH)
        for (const { method, params, timeoutMs } of messages) {
          const text = requestText(method, params, timeoutMs)
          const parsed = outcome(() =>
            asRequest(within(text, (bytes, from, to) => parseJson(bytes, MAX_DEPTH, from, to)))
          )
          expect(outcome(() => within(text, (bytes, from, to) => sorted(reader.read(bytes, from, to))))).to.deep.equal(
            sortedOutcome(parsed)
          )
        }
      })
    )
  })

  it('of results are read as if they were parsed', () => {
    fc.assert(
      fc.property(middle, fc.boolean(), (result, ours) => {
        const text = resultText(ours ? 1 : 2, 0).replace(/0}$/, () => `${result}}`)
        const parsed = outcome(() => resultOf(within(text, (bytes, from, to) => parseJson(bytes, MAX_DEPTH, from, to))))
        const read = outcome(() => within(text, (bytes, from, to) => resultBetween(bytes, from, to, MAX_DEPTH)))
        expect(read).to.deep.equal(parsed)
      })
    )
  })
})

/** Members in one order; `undefined` is as good as absent. */
function sorted(request: object): object {
  const { jsonrpc, id, method, params, metadata } = request as Record<string, unknown>
  return { jsonrpc, id, method, params, metadata }
}

function sortedOutcome(parsed: unknown): unknown {
  const { value } = parsed as { value?: string }
  return value === undefined ? parsed : { value: JSON.stringify(sorted(JSON.parse(value) as object)) }
}
