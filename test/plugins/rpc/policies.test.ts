import { expect } from 'chai'
import { client, RpcCode, RpcRegistry, unary, type CallPolicies } from '#src/kernel/index.js'
import { createTestNetwork } from '#src/testkit/index.js'
import { makePair, rejection } from './harness.js'

describe('rpc: policies of a client', () => {
  it('wait for a peer that is busy, as that says', async () => {
    const pair = await makePair()
    const api = {
      one: unary<null, number>(() => 1, { idempotent: true, limits: { rate: { perSecond: 10, burst: 1 } } })
    }
    pair.server.rpc.register(api)
    const { one } = pair.caller.rpc.client(pair.caller.connection, api, { retry: { attempts: 5 } })
    expect(await pair.clock.until(Promise.all([one(null), one(null), one(null)]))).to.deep.equal([1, 1, 1])
    expect(pair.clock.monotonic()).to.be.within(200, 600)
    expect(await rejection(one(null, { retry: { attempts: 1 } }))).to.include({ rpcCode: RpcCode.BUSY })
    await pair.stop()
  })

  it('hedge a call that is not answered, and tell the handler that its answer is not wanted', async () => {
    const pair = await makePair()
    const aborted: unknown[] = []
    let calls = 0
    const api = {
      sometimes: unary<null, number>(
        (_input, { signal }) => {
          if (++calls > 1) return calls
          signal.addEventListener('abort', () => aborted.push(signal.reason))
          return new Promise(() => undefined)
        },
        { idempotent: true }
      )
    }
    pair.server.rpc.register(api)
    const { sometimes } = pair.caller.rpc.client(pair.caller.connection, api)
    expect(await pair.clock.until(sometimes(null, { hedge: { afterMs: 50 } }))).to.equal(2)
    await pair.settle()
    expect(aborted).to.have.length(1)
    expect(pair.clock.pending).to.equal(0)
    await pair.stop()
  })

  it('are refused for calls that must not be made twice', async () => {
    const pair = await makePair()
    const api = { once: unary<null, number>(() => 1), many: client<null, number>(() => 1) }
    pair.server.rpc.register(api)
    const remote = pair.caller.rpc.client(pair.caller.connection, api, { retry: {} })
    expect(await remote.once(null)).to.equal(1)
    for (const policies of [{ retry: {} }, { hedge: { afterMs: 1 } }] satisfies CallPolicies[]) {
      expect(await rejection(remote.once(null, policies))).to.include({ code: 'ERR_INVALID_INPUT' })
      expect(await rejection(remote.many([], policies))).to.include({ code: 'ERR_INVALID_INPUT' })
    }
    expect(() => pair.caller.rpc.client(pair.caller.connection, api, { retry: { attempts: 0 } }))
      .to.throw()
      .with.property('code', 'ERR_INVALID_INPUT')
    await pair.stop()
  })

  it('work for the peers of a node', async () => {
    await using network = await createTestNetwork({ nodes: 2 })
    const [alice, bob] = network.nodes
    const api = { one: unary<null, number>(() => 1, { idempotent: true }) }
    alice.kernel
      .resolve(RpcRegistry)
      .register({ one: unary(() => 1, { limits: { rate: { perSecond: 10, burst: 1 } } }) })
    const patient = bob.peer(alice.id).rpc(api, { retry: { attempts: 6 } })
    expect(await network.until(Promise.all([patient.one(null), patient.one(null)]))).to.deep.equal([1, 1])
    const careless = bob.peer(alice.id).rpc(api)
    const outcomes = await network.until(Promise.allSettled([careless.one(null), careless.one(null)]))
    expect(outcomes.map(({ status }) => status)).to.include('rejected')
  })
})
