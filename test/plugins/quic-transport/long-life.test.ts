import { expect } from 'chai'
import { readAll } from '#src/testkit/conformance/transport.js'
import type { Connection } from '#src/kernel/index.js'
import { paths } from '#src/plugins/paths/index.js'
import { Nat } from './nat.js'
import { startNode } from './nodes.js'

const ADDRESSES = 60
const DEAD_CANDIDATES = 30
const REBINDINGS = 50

async function call(connection: Connection): Promise<void> {
  const stream = await connection.open()
  stream.end(Buffer.from('still there?'))
  expect((await readAll(stream)).toString()).to.equal('still there?')
}

describe('one QUIC connection', () => {
  it(`survives ${String(ADDRESSES)} addresses, ${String(DEAD_CANDIDATES)} dead candidates and ${String(REBINDINGS)} rebindings`, async function () {
    this.timeout(60_000)
    await using a = await startNode({ further: [paths] })
    await using b = await startNode({ further: [paths] })
    const nat = await Nat.before(b.address)
    const [out, inward] = await Promise.all([a.transport.dial(b.id, nat.inside), b.accepted()])
    inward.onStream = (stream) =>
      void readAll(stream).then((bytes) => {
        stream.end(bytes)
      })

    for (let i = 0; i < REBINDINGS; i++) {
      await nat.rebind()
      await call(out)
      expect(inward.remote).to.deep.equal(nat.outside)
    }

    const dead = await Promise.allSettled(
      Array.from({ length: DEAD_CANDIDATES }, async (_, i) => {
        await out.probe({ host: '127.0.0.2', port: 1_000 + i }, { timeoutMs: 500 })
      })
    )
    expect(dead.every(({ status }) => status === 'rejected')).to.equal(true)
    await call(out)

    let letGo: (() => void) | undefined
    for (let i = 0; i < ADDRESSES; i++) {
      const socket = await a.datagrams.open()
      const release = a.transport.carry(socket)
      await out.migrate(await out.probe(b.address, { via: socket }))
      // It stays open, so that the next one has another address.
      letGo?.()
      letGo = release
      await call(out)
      expect(inward.remote).to.deep.equal(socket.local)
    }
    expect(out.stats().pathsLeft).to.equal(Infinity)
    nat.close()
  })
})
