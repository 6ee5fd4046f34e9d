import { expect } from 'chai'
import { readLongHeader } from '#src/plugins/quic-transport/packet.js'
import { startNode } from '../plugins/quic-transport/nodes.js'
import { tapped } from '../plugins/quic-transport/wraps.js'
import { firstInitial } from './captures.js'
import { bareSocket } from './sockets.js'
import { clientInitialKeys, Clients, openInitial, protectInitial } from './initial.js'

describe('Initial packets made for tests', () => {
  it('have the keys of RFC 9001, appendix A.1', () => {
    const { key, iv, headers } = clientInitialKeys(Buffer.from('8394c8f03e515708', 'hex'))
    expect(key.toString('hex')).to.equal('1f369613dd76d5467730efcbe3b1a22d')
    expect(iv.toString('hex')).to.equal('fa044b2f42a3fd3b46fb255c')
    expect(headers.toString('hex')).to.equal('9f50449e04a0e810283a1e9933adedd2')
  })

  it('are read as they were written', () => {
    const initial = {
      dcid: Buffer.alloc(8, 1),
      scid: Buffer.alloc(20, 2),
      token: Buffer.alloc(70, 3),
      number: 77,
      payload: Buffer.alloc(1_100, 4)
    }
    expect(openInitial(protectInitial(initial))).to.deep.equal(initial)
  })

  it('are those of clients that a node answers, each a new one', async () => {
    const answered = new Set<string>()
    await using node = await startNode({
      wrap: tapped({ send: (data) => answered.add(Buffer.from(readLongHeader(data)!.dcid).toString('hex')).size > 0 })
    })
    using socket = await bareSocket()
    const clients = new Clients(await firstInitial())
    const made = Array.from({ length: 5 }, () => clients.next())
    for (const data of made) {
      expect(data.length).to.equal(1_200)
      socket.send(data, node.address.port, node.address.host)
    }
    while (answered.size < made.length) await new Promise((resolve) => setImmediate(resolve))
    expect(node.transport.stats().handshakes).to.equal(5)
    expect(answered).to.deep.equal(new Set(made.map((data) => Buffer.from(readLongHeader(data)!.scid).toString('hex'))))
  })
})
