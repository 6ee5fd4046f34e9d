import { expect } from 'chai'
import type { DatagramSocket } from '#src/kernel/index.js'
import { Move, MOVE_MS } from '#src/plugins/quic-transport/move.js'
import type { Way } from '#src/plugins/quic-transport/way.js'

const socket = {} as DatagramSocket
const here: Way = { socket, remote: { host: '192.0.2.1', port: 1 } }
const there: Way = { socket, remote: { host: '192.0.2.1', port: 2 } }

/** What moves, with the ways that it took. */
class Mover {
  way = here
  heardHereAt = -1
  pings: number[] = []
  now = 0

  take(way: Way): void {
    this.way = way
    this.heardHereAt = this.now
  }

  ping(): void {
    this.pings.push(this.now)
  }
}

describe('a move to another way', () => {
  it('is over when something comes from there', async () => {
    const mover = new Mover()
    const move = new Move(mover, there, 0)
    expect(mover.way).to.equal(there)
    mover.now = mover.heardHereAt = 20
    move.turn(20)
    expect(move.due).to.equal(Infinity)
    await move.done
    expect([mover.way, mover.pings]).to.deep.equal([there, [0]])
  })

  it('asks ever more seldom, and goes back when nothing comes', async () => {
    const mover = new Mover()
    const move = new Move(mover, there, 0)
    while (move.due < Infinity) move.turn((mover.now = move.due))
    expect(mover.now).to.equal(MOVE_MS)
    expect(mover.pings).to.deep.equal([0, 33, 99, 231, 495, 1_023, 1_551, 2_079, 2_607])
    const error: unknown = await move.done.catch((error: unknown) => error)
    expect(error).to.have.property('code', 'ERR_PATH')
    expect(mover.way).to.equal(here)
  })
})
