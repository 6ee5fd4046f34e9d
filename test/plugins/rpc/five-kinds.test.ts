import { expect } from 'chai'
import { collect, makePair, methods, textOf, type Pair, WAYS } from './harness.js'

for (const [way, options] of WAYS) {
  describe(`rpc: the five kinds of call (${way})`, () => {
    let pair: Pair

    beforeEach(async () => {
      pair = await makePair({ caller: options, server: options })
      pair.server.rpc.register(methods)
    })

    afterEach(() => pair.stop())

    it('answers each kind', async () => {
      const remote = pair.caller.rpc.client(pair.caller.connection, methods)
      expect(await remote.square({ value: 12 })).to.deep.equal({ value: 144 })
      expect(await remote.sum([1, 2, 3])).to.equal(6)
      expect(await collect(remote.count(4))).to.deep.equal([0, 1, 2, 3])
      expect(await collect(remote.double([1, 2, 3]))).to.deep.equal([2, 4, 6])
      const { result, body } = await remote.upper({ title: 'four' }, [Buffer.from('ab'), Buffer.from('cd')])
      expect(result).to.deep.equal({ length: 4 })
      expect(await textOf(body)).to.equal('ABCD')
    })

    it('calls in both directions on one connection', async () => {
      pair.caller.rpc.register({ square: methods.square })
      const back = pair.server.rpc.client(pair.server.connection, { square: methods.square })
      const there = pair.caller.rpc.client(pair.caller.connection, { square: methods.square })
      const answers = await Promise.all([back.square({ value: 2 }), there.square({ value: 3 })])
      expect(answers).to.deep.equal([{ value: 4 }, { value: 9 }])
    })

    it('leaves no stream and no timer behind', async () => {
      const remote = pair.caller.rpc.client(pair.caller.connection, methods)
      await Promise.all([
        remote.square({ value: 1 }),
        remote.sum([1]),
        collect(remote.count(2)),
        collect(remote.double([1]))
      ])
      await textOf((await remote.upper({ title: '' }, [Buffer.from('x')])).body)
      await pair.settle()
      expect(pair.clock.pending).to.equal(0)
      expect(pair.caller.connection.streams.size).to.equal(0)
      expect(pair.server.connection.streams.size).to.equal(0)
    })
  })
}
