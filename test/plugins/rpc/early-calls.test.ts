import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'chai'
import {
  CloseCode,
  ConnectionPool,
  createKernel,
  Datagrams,
  definePlugin,
  Identity,
  RpcRegistry,
  Transport,
  unary,
  type Kernel
} from '#src/kernel/index.js'
import { Contact } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { udp } from '#src/plugins/udp/index.js'
import { wrapped } from '../quic-transport/nodes.js'
import { tapped, type Taps } from '../quic-transport/wraps.js'

const api = {
  read: unary<object, string>(undefined, { idempotent: true }),
  pay: unary<object, string>()
}

interface Node extends AsyncDisposable {
  readonly kernel: Kernel
  readonly contact: Contact
  /** The calls that were run, in order. */
  readonly ran: readonly string[]
}

interface Options {
  readonly taps?: Taps
  readonly port?: number
  readonly handshakeTimeoutMs?: number
}

async function startNode(seed: number, { taps = {}, port = 0, ...quic }: Options = {}): Promise<Node> {
  const ran: string[] = []
  const run = (name: string) => (): string => {
    ran.push(name)
    return name
  }
  const methods = definePlugin({
    name: 'methods',
    needs: { rpc: RpcRegistry },
    start({ rpc }) {
      rpc.register({ read: unary(run('read'), { idempotent: true }), pay: unary(run('pay')) })
    }
  })
  const kernel = createKernel({
    plugins: [
      identity.with({ seed: new Uint8Array(32).fill(seed) }),
      wrapped(udp.with({ host: '127.0.0.1', port }), tapped(taps)),
      quicTransport.with({ earlyData: true, ...quic }),
      connectionPool,
      rpc,
      methods
    ]
  })
  await kernel.start()
  const contact = Contact.of(kernel.resolve(Identity).nodeId, [kernel.resolve(Datagrams).primary.local])
  return { kernel, contact, ran, [Symbol.asyncDispose]: () => kernel.stop() }
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

const poolOf = ({ kernel }: Node): ConnectionPool => kernel.resolve(ConnectionPool)
const statsOf = ({ kernel }: Node) => kernel.resolve(Transport).stats()

/** Calls once and parts: the caller has a ticket now. */
async function meet(caller: Node, callee: Node): Promise<void> {
  const connection = await poolOf(caller).dial(callee.contact)
  await caller.kernel.resolve(RpcRegistry).client(connection, api).read({})
  connection.close(CloseCode.OK)
  await until(() => poolOf(callee).get(caller.contact.id) === undefined)
}

async function clientEarly(caller: Node, callee: Node) {
  const connection = await poolOf(caller).dial(callee.contact, { early: true })
  expect(connection.early).to.equal(true)
  return caller.kernel.resolve(RpcRegistry).client(connection, api)
}

/** A 0-RTT packet (RFC 9000 §17.2.3) is the first of the datagram. */
const isEarlyData = (data: Uint8Array): boolean => (data[0]! & 0xb0) === 0x90

/** Sends datagrams as they are, from a socket of its own. */
async function send(datagrams: readonly Uint8Array[], to: Node): Promise<void> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { host, port } = to.contact.addresses[0]!
  for (const data of datagrams) await new Promise((resolve) => socket.send(data, port, host, resolve))
  socket.close()
}

describe('calls in early data', () => {
  it('are run at once if they are idempotent, and others once it is sure that they are no recording', async () => {
    let silent = false
    await using caller = await startNode(1)
    await using callee = await startNode(2, { taps: { send: () => !silent } })
    await meet(caller, callee)
    silent = true
    const { read, pay } = await clientEarly(caller, callee)
    const answers = Promise.all([pay({}), read({})])
    await until(() => callee.ran.length === 2)
    expect(callee.ran).to.deep.equal(['read', 'read'])
    expect(poolOf(callee).get(caller.contact.id)).to.equal(undefined)
    silent = false
    expect(await answers).to.deep.equal(['pay', 'read'])
    expect(callee.ran).to.deep.equal(['read', 'read', 'pay'])
    expect(poolOf(callee).get(caller.contact.id)?.early).to.equal(false)
    expect(poolOf(caller).get(callee.contact.id)?.early).to.equal(false)
  })

  it('that the peer refuses, since it was restarted, are run once each', async () => {
    await using caller = await startNode(1)
    const before = await startNode(2)
    await meet(caller, before)
    await before.kernel.stop()
    await using callee = await startNode(2, { port: before.contact.addresses[0]!.port })
    const { read, pay } = await clientEarly(caller, callee)
    expect(await Promise.all([read({}), pay({}), read({})])).to.deep.equal(['read', 'pay', 'read'])
    expect([...callee.ran].sort()).to.deep.equal(['pay', 'read', 'read'])
  })

  it('are not run from a recording unless they are idempotent, even if it comes before what was recorded', async () => {
    const flight: Uint8Array[] = []
    let recording = false
    await using callee = await startNode(2, { handshakeTimeoutMs: 300 })
    const keep = (data: Uint8Array): boolean => {
      if (recording) flight.push(data.slice())
      return !recording
    }
    const caller = await startNode(1, { taps: { send: keep } })
    await meet(caller, callee)
    recording = true
    const { read, pay } = await clientEarly(caller, callee)
    const outcomes = Promise.allSettled([pay({}), read({})])
    await until(() => flight.some(isEarlyData))
    await caller.kernel.stop()
    expect((await outcomes).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    expect(callee.ran).to.deep.equal(['read'])

    await using again = await startNode(1)
    const connection = await poolOf(again).dial(callee.contact)
    await until(() => poolOf(callee).get(again.contact.id) !== undefined)
    const live = poolOf(callee).get(again.contact.id)
    await send(flight, callee)
    await until(() => callee.ran.length > 1)
    expect(callee.ran).to.deep.equal(['read', 'read'])
    await until(() => statsOf(callee).handshakes === 0)
    await until(() => {
      void send(flight, callee)
      return (statsOf(callee).dropped['replay'] ?? 0) > 0
    })
    await until(() => statsOf(callee).handshakes === 0)
    expect(callee.ran).to.deep.equal(['read', 'read'])
    expect(poolOf(callee).get(again.contact.id)).to.equal(live)
    expect(live?.closeInfo).to.equal(undefined)
    const { pay: payNow } = again.kernel.resolve(RpcRegistry).client(connection, api)
    expect(await payNow({})).to.equal('pay')
  })
})
