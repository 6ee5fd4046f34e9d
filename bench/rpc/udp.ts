// Bare datagrams that are sent back: what no call in Node could be faster than.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { REQUEST_TEXT, type Contender } from './contender.js'

async function open(): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    lookup: (host, _, done) => {
      done(null, host, 4)
    }
  })
  const listening = once(socket, 'listening')
  socket.bind(0, '127.0.0.1')
  await listening
  return socket
}

export const serve: Contender['serve'] = async () => {
  const socket = await open()
  socket.on('message', (data, { port, address }) => {
    socket.send(data, port, address)
  })
  const { port } = socket.address()
  return { port, where: port }
}

export const connect: Contender['connect'] = async (where) => {
  const socket = await open()
  const data = Buffer.from(REQUEST_TEXT)
  let answered: (() => void) | undefined
  socket.on('message', () => answered?.())
  return {
    call: () =>
      new Promise((resolve) => {
        answered = resolve
        socket.send(data, where, '127.0.0.1')
      })
  }
}
