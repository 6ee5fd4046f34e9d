import type { StandardSchemaV1 } from '@standard-schema/spec'
import assert from 'node:assert/strict'
import { client, duplex, raw, RpcCode, server, unary } from '../../kernel/index.js'
import { collect, failure, has, type RpcTest } from './rpc-registry.js'

/** Takes a number and gives a text. */
const text: StandardSchemaV1<number, string> = {
  '~standard': {
    version: 1,
    vendor: 'peerloom',
    validate: async (value) => {
      await Promise.resolve()
      return typeof value === 'number' ? { value: String(value) } : { issues: [{ message: 'no number', path: ['a'] }] }
    }
  }
}

/** What the schemas of a method let pass, and what they make of it. */
export function rpcSchemaTests(test: RpcTest): void {
  test('gives handlers of every kind what their schema gives, and refuses what it refuses', async ({ a, b }) => {
    const seen: string[] = []
    const checked = {
      unary: unary({ input: text }, (input) => seen.push(input)),
      client: client({ input: text }, async (input) => seen.push(...(await collect(input)))),
      server: server({ input: text }, (input) => [seen.push(input)]),
      duplex: duplex({ input: text }, async function* (input) {
        for await (const item of input) yield seen.push(item)
      }),
      raw: raw({ input: text }, (input) => ({ result: seen.push(input), body: [] }))
    }
    b.registry.register(checked)
    const remote = a.registry.client(a.connection, checked)
    const calls = (input: number): Promise<unknown>[] => [
      remote.unary(input),
      remote.client([input]),
      collect(remote.server(input)),
      collect(remote.duplex([input])),
      remote.raw(input, []).then(({ body }) => collect(body as unknown as AsyncIterable<unknown>))
    ]
    await Promise.all(calls(1))
    assert.deepEqual(seen, ['1', '1', '1', '1', '1'])
    for (const error of await Promise.all(calls('x' as never).map(failure))) {
      has(error, { rpcCode: RpcCode.INVALID_PARAMS, data: { issues: [{ message: 'no number', path: ['a'] }] } })
    }
    assert.equal(seen.length, 5)
  })

  test('gives callers what their schema gives, and fails if it refuses the answer', async ({ a, b }) => {
    b.registry.register({ echo: unary((value) => value), many: server<unknown, unknown>((value) => [1, value]) })
    const remote = a.registry.client(a.connection, {
      echo: unary({ output: text }),
      many: server({ output: text })
    })
    assert.equal(await remote.echo(2), '2')
    assert.deepEqual(await collect(remote.many(2)), ['1', '2'])
    has(await failure(remote.echo('x')), { code: 'ERR_RPC', rpcCode: RpcCode.INTERNAL_ERROR })
    has(await failure(collect(remote.many('x'))), { code: 'ERR_RPC', rpcCode: RpcCode.INTERNAL_ERROR })
  })
}
