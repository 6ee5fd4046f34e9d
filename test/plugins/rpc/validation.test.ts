import type { StandardSchemaV1 } from '@standard-schema/spec'
import { expect } from 'chai'
import { client, duplex, raw, RpcCode, server, unary } from '#src/kernel/index.js'
import { MAX_ISSUES } from '#src/plugins/rpc/validation.js'
import * as v from 'valibot'
import { z } from 'zod'
import { collect, makePair, rejection, textOf, type Pair } from './harness.js'

const positive = z.number().positive()
const slowly = z.number().refine(async (n) => Promise.resolve(n > 0))

for (const [name, schema] of [
  ['at once', positive],
  ['in its own time', slowly]
] as const) {
  describe(`rpc: a schema that checks ${name}`, () => {
    let pair: Pair
    let seen: unknown[]

    beforeEach(async () => {
      pair = await makePair()
      seen = []
    })

    afterEach(() => pair.stop())

    const handlers = {
      unary: unary({ input: schema }, (n) => (seen.push(n), n)),
      client: client({ input: schema }, async (numbers) => {
        for await (const n of numbers) seen.push(n)
        return seen.length
      }),
      server: server({ input: schema }, function* (n) {
        seen.push(n)
        yield n
      }),
      duplex: duplex({ input: schema }, async function* (numbers) {
        for await (const n of numbers) {
          seen.push(n)
          yield n
        }
      }),
      raw: raw({ input: schema }, (n) => (seen.push(n), { result: n, body: [Buffer.from('x')] }))
    }

    it('lets pass what fits, in calls of every kind', async () => {
      pair.server.rpc.register(handlers)
      const remote = pair.caller.rpc.client(pair.caller.connection, handlers)
      expect(await remote.unary(1)).to.equal(1)
      expect(await remote.client([2, 3])).to.equal(3)
      expect(await collect(remote.server(4))).to.deep.equal([4])
      expect(await collect(remote.duplex([5, 6]))).to.deep.equal([5, 6])
      expect(await textOf((await remote.raw(7, [])).body)).to.equal('x')
      expect(seen).to.deep.equal([1, 2, 3, 4, 5, 6, 7])
    })

    it('refuses what does not with INVALID_PARAMS and the issues, and no handler sees it', async () => {
      pair.server.rpc.register(handlers)
      const remote = pair.caller.rpc.client(pair.caller.connection, handlers)
      const bad = [
        remote.unary(-1),
        remote.client([1, -1]),
        collect(remote.server(-1)),
        collect(remote.duplex([1, -1])),
        remote.raw(-1, [])
      ]
      for (const error of await Promise.all(bad.map(rejection))) {
        expect(error).to.include({ rpcCode: RpcCode.INVALID_PARAMS })
        const { issues } = error.data as { issues: { message: string; path: string[] }[] }
        expect(issues).to.have.length(1)
        expect(issues[0]!.path).to.deep.equal([])
        expect(error.message).to.equal(issues[0]!.message)
      }
      expect(seen).to.deep.equal([1, 1])
    })

    it('checks what the other side answers', async () => {
      pair.server.rpc.register({
        unary: unary(() => -1),
        client: client(() => -1),
        server: server(() => [1, -1]),
        duplex: duplex(() => [1, -1]),
        raw: raw(() => ({ result: -1, body: [] }))
      })
      const remote = pair.caller.rpc.client(pair.caller.connection, {
        unary: unary({ output: schema }),
        client: client({ output: schema }),
        server: server({ output: schema }),
        duplex: duplex({ output: schema }),
        raw: raw({ output: schema })
      })
      const items = remote.server(null)
      expect(await items.next()).to.deep.equal({ done: false, value: 1 })
      const bad = [
        remote.unary(null),
        remote.client([]),
        items.next(),
        collect(remote.duplex([])),
        remote.raw(null, [])
      ]
      for (const error of await Promise.all(bad.map(rejection))) {
        expect(error).to.include({ code: 'ERR_RPC', rpcCode: RpcCode.INTERNAL_ERROR })
        expect(error.message).to.match(/^not the answer that was expected: /)
      }
      expect(await items.next()).to.deep.equal({ done: true, value: undefined })
      await pair.settle()
      expect(pair.server.connection.streams.size).to.equal(0)
      expect(pair.clock.pending).to.equal(0)
    })
  })
}

describe('rpc: schemas', () => {
  let pair: Pair

  beforeEach(async () => {
    pair = await makePair()
  })

  afterEach(() => pair.stop())

  it('gives a handler what its schema makes of the input, and a caller what its schema makes of the output', async () => {
    const api = {
      add: unary(
        { input: z.object({ n: z.coerce.number(), by: z.number().default(1) }), output: z.number().transform(String) },
        ({ n, by }) => n + by
      )
    }
    pair.server.rpc.register(api)
    const sum: string = await pair.caller.rpc.client(pair.caller.connection, api).add({ n: '3' })
    expect(sum).to.equal('4')
  })

  it('takes schemas of any make', async () => {
    const api = { one: unary({ input: v.object({ a: v.array(v.number()) }) }, ({ a }) => a.length) }
    pair.server.rpc.register(api)
    const remote = pair.caller.rpc.client(pair.caller.connection, api)
    expect(await remote.one({ a: [1, 2] })).to.equal(2)
    const error = await rejection(remote.one({ a: [1, 'x' as never] }))
    expect(error.message).to.match(/^a\.1: /)
    expect((error.data as { issues: { path: string[] }[] }).issues[0]!.path).to.deep.equal(['a', '1'])
  })

  it('tells a few short issues of many long ones', async () => {
    const verbose: StandardSchemaV1<unknown, never> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => ({
          issues: Array.from({ length: 100 }, () => ({
            message: 'm'.repeat(10_000),
            path: Array.from({ length: 100 }, () => ({ key: 'k'.repeat(10_000) }))
          }))
        })
      }
    }
    pair.server.rpc.register({ one: unary({ input: verbose }, () => 1) })
    const remote = pair.caller.rpc.client(pair.caller.connection, { one: unary() })
    const error = await rejection(remote.one(1))
    expect((error.data as { issues: unknown[] }).issues).to.have.length(MAX_ISSUES)
    expect(JSON.stringify(error.data).length).to.be.below(100_000)
    expect(error.message.length).to.be.at.most(1000)
  })

  it('ends the call if it throws', async () => {
    const input = z.number().refine(() => {
      throw new Error('of the schema')
    })
    pair.server.rpc.register({ one: unary({ input }, () => 1) })
    const remote = pair.caller.rpc.client(pair.caller.connection, { one: unary() })
    expect(await rejection(remote.one(1))).to.include({ rpcCode: RpcCode.HANDLER_FAILED, message: 'of the schema' })
  })

  it('are refused if they are none', () => {
    for (const input of [1, null, {}, { '~standard': {} }]) {
      expect(() => pair.server.rpc.register({ x: { ...unary(() => 1), input: input as never } }))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
      expect(() => pair.caller.rpc.client(pair.caller.connection, { x: { ...unary(), output: input as never } }))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })
})
