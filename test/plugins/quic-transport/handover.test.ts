import { expect } from 'chai'
import { silentLogger, type CloseInfo, type Connection } from '#src/kernel/index.js'
import { Handover } from '#src/plugins/quic-transport/handover.js'

interface Rig {
  readonly connection: Connection
  readonly end: () => void
}

function connection(): Rig {
  let end!: () => void
  const closed = new Promise<CloseInfo>((resolve) => {
    end = () => {
      resolve({ code: 0, reason: '', by: 'us', transport: false })
    }
  })
  return { connection: { closed } as unknown as Connection, end }
}

describe('connections of others', () => {
  it('wait for who takes them, in their order, and not longer than they live', async () => {
    const handover = new Handover(silentLogger)
    const [first, second, third] = [connection(), connection(), connection()]
    for (const { connection } of [first, second, third]) handover.offer(connection)
    second.end()
    await second.connection.closed
    const taken: Connection[] = []
    handover.handler = (connection) => void taken.push(connection)
    expect(taken).to.deep.equal([first.connection, third.connection])
  })

  it('wait for another taker when the first one takes no more', () => {
    const handover = new Handover(silentLogger)
    const offered = [connection(), connection(), connection()].map(({ connection }) => connection)
    for (const connection of offered) handover.offer(connection)
    const taken: Connection[] = []
    const takeOne = (connection: Connection): void => {
      taken.push(connection)
      handover.handler = undefined
    }
    for (let count = 1; count <= offered.length; count++) {
      handover.handler = takeOne
      expect(taken).to.deep.equal(offered.slice(0, count))
    }
  })

  it('go to the taker that a taker has put in its place', () => {
    const handover = new Handover(silentLogger)
    const offered = [connection(), connection(), connection()].map(({ connection }) => connection)
    for (const connection of offered) handover.offer(connection)
    const taken: string[] = []
    handover.handler = () => {
      taken.push('first')
      handover.handler = () => void taken.push('second')
    }
    expect(taken).to.deep.equal(['first', 'second', 'second'])
  })

  it('are none the worse for a taker that throws', () => {
    const handover = new Handover(silentLogger)
    let taken = 0
    handover.offer(connection().connection)
    handover.offer(connection().connection)
    handover.handler = () => {
      taken++
      throw new Error('no')
    }
    expect(taken).to.equal(2)
  })
})
