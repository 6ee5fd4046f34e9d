// Bare datagrams, run as a process of its own. What QUIC in Node could do at best.
//   udp.js sink                   says its port, takes datagrams and acknowledges them until its input ends
//   udp.js source PORT BUDGET_MS  says the megabytes a second that it got across
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const DATAGRAM_BYTES = 1_350
/** Datagrams that may be under way, few enough for none to be lost, and how many are acknowledged at a time. */
const WINDOW = 512
const ACKNOWLEDGED = 32
const BUFFER_BYTES = 4 * 2 ** 20
/** A window that is not acknowledged in this time is taken to be lost. */
const PATIENCE_MS = 200

const [role, port = '', budget = '0'] = process.argv.slice(2)
const socket = createSocket({
  type: 'udp4',
  lookup: (host, _, done) => {
    done(null, host, 4)
  }
})
const listening = once(socket, 'listening')
socket.bind(0, '127.0.0.1')
await listening
socket.setRecvBufferSize(BUFFER_BYTES)

if (role === 'sink') {
  let got = 0
  const acknowledgement = Buffer.alloc(8)
  socket.on('message', (_, from) => {
    if (++got % ACKNOWLEDGED !== 0) return
    acknowledgement.writeBigUInt64BE(BigInt(got))
    socket.send(acknowledgement, from.port, from.address)
  })
  process.stdin.resume().once('end', () => process.exit(0))
  process.stdout.write(`${socket.address().port}\n`)
} else {
  const data = Buffer.alloc(DATAGRAM_BYTES, 'peerloom')
  let sent = 0
  let arrived = 0
  let heard = performance.now()
  const begun = heard
  socket.on('message', (acknowledgement) => {
    arrived = Number(acknowledgement.readBigUInt64BE())
    heard = performance.now()
  })
  const pump = (): void => {
    if (performance.now() - begun >= Number(budget)) {
      const value = (arrived * DATAGRAM_BYTES) / (heard - begun) / 1_000
      process.stdout.write(JSON.stringify({ value, count: arrived }), () => process.exit(0))
      return
    }
    if (performance.now() - heard > PATIENCE_MS) {
      sent = arrived
      heard = performance.now()
    }
    for (; sent - arrived < WINDOW; sent++) socket.send(data, Number(port), '127.0.0.1')
    setImmediate(pump)
  }
  pump()
}
