// A bad link, run as a process of its own: relay.js ONE_WAY_MS LOSS
// Says the port that a client sends to and the one that a server does, and is then told the server's port. Every
// datagram is held back for the given time, unless it is among the given share that gets lost.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const [delay = '', loss = ''] = process.argv.slice(2)
const BUFFER_BYTES = 4 * 2 ** 20

interface Held {
  readonly due: number
  readonly data: Uint8Array
}

/** One direction: what was received on one socket goes out of the other. */
class Direction {
  readonly #held: Held[] = []
  #at = 0
  port = 0

  constructor(
    private readonly out: Socket,
    private random: number
  ) {}

  take(data: Uint8Array): void {
    // The same datagrams are lost in every run (a linear congruential generator, Numerical Recipes' constants).
    this.random = (Math.imul(this.random, 1_664_525) + 1_013_904_223) >>> 0
    if (this.random / 2 ** 32 < Number(loss)) return
    this.#held.push({ due: performance.now() + Number(delay), data })
    if (this.#held.length - this.#at === 1) setTimeout(this.#send, Number(delay))
  }

  readonly #send = (): void => {
    const now = performance.now()
    let next = this.#held[this.#at]
    for (; next !== undefined && next.due <= now; next = this.#held[++this.#at]) {
      this.out.send(next.data, this.port, '127.0.0.1')
    }
    if (next === undefined) {
      this.#held.length = 0
      this.#at = 0
    } else {
      setTimeout(this.#send, next.due - now)
    }
  }
}

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
  socket.setRecvBufferSize(BUFFER_BYTES)
  return socket
}

const [client, server] = await Promise.all([open(), open()])
const there = new Direction(server, 1)
const back = new Direction(client, 2)
client.on('message', (data, { port }) => {
  back.port = port
  there.take(data)
})
server.on('message', (data) => {
  back.take(data)
})
createInterface(process.stdin)
  .on('line', (line) => (there.port = Number(line)))
  .once('close', () => process.exit(0))
process.stdout.write(`${JSON.stringify({ client: client.address().port, server: server.address().port })}\n`)
