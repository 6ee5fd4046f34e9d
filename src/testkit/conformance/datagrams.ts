import assert from 'node:assert/strict'
import type { Datagrams, DatagramSocket } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { failsWith } from './fails-with.js'
import type { TestRunner } from './runner.js'
import { happens, until } from './until.js'

/** Two nodes whose primary sockets can reach each other. `stop` stops the plugins of both. */
export interface DatagramsPair {
  readonly a: Datagrams
  readonly b: Datagrams
  stop(): Promise<void>
}

export interface DatagramsConformanceOptions extends TestRunner {
  readonly name: string
  /** Makes a fresh pair in real time; it is asked for before each test. */
  readonly create: () => Promise<DatagramsPair>
}

interface Arrival {
  readonly data: Uint8Array
  readonly from: Address
  readonly socket: DatagramSocket
}

const PROBE = Uint8Array.of(0x20, 1, 2, 3)
/** How often a datagram is sent until it arrives, and the turns of the event loop that are waited each time. */
const TRIES = 20
const TURNS = 20_000

/** Registers a test for each promise of the Datagrams contract. */
export function datagramsConformance({ name, create, describe, it }: DatagramsConformanceOptions): void {
  const test = (title: string, body: (pair: DatagramsPair) => Promise<void>): void => {
    it(title, async () => {
      const pair = await create()
      try {
        await body(pair)
      } finally {
        await pair.stop()
      }
    })
  }

  describe(`${name} fulfils Datagrams`, () => {
    test('brings a datagram with the address of its sender, on the socket that it came to', async ({ a, b }) => {
      const [arrival] = await exchange(a.primary, b.primary, PROBE, addressOf(b))
      assert.deepEqual(Uint8Array.from(arrival.data), PROBE)
      assert.equal(arrival.socket, b.primary)
      assert.equal(arrival.from.port, a.primary.local.port)
      assert.equal(arrival.from.host, Address.canonicalHost(arrival.from.host))
      const [back] = await exchange(b.primary, a.primary, PROBE, arrival.from)
      assert.equal(back.from.port, b.primary.local.port)
    })

    test('delivers after the call of send, and hands the receiver bytes of its own', async ({ a, b }) => {
      let arrivals = 0
      let received: Uint8Array | undefined
      const done = new Promise<void>((resolve) => {
        b.primary.receive('probe', (data) => {
          arrivals++
          received = data
          resolve()
        })
      })
      const sent = Uint8Array.from(PROBE)
      a.primary.send(sent, addressOf(b))
      assert.equal(arrivals, 0)
      await done
      received?.fill(0xff)
      assert.deepEqual(sent, PROBE)
    })

    test('sorts datagrams by the class of their first byte, and counts those for nobody', async ({ a, b }) => {
      const stun: Uint8Array[] = []
      b.primary.receive('stun', (data) => void stun.push(data))
      a.primary.send(Uint8Array.of(0x01, 9), addressOf(b))
      a.primary.send(Uint8Array.of(0x10, 9), addressOf(b))
      a.primary.send(Uint8Array.of(0x40, 9), addressOf(b))
      // What was sent after them has arrived, so they have, too.
      await exchange(a.primary, b.primary, PROBE, addressOf(b))
      assert.deepEqual(
        stun.map((data) => Uint8Array.from(data)),
        [Uint8Array.of(0x01, 9)]
      )
      assert.equal(b.primary.stats.dropped, 2)
    })

    test('has one taker for each class, until it lets go', async ({ a }) => {
      const release = a.primary.receive('probe', () => undefined)
      assert.throws(() => a.primary.receive('probe', () => undefined), failsWith('ERR_STATE'))
      a.primary.receive('stun', () => undefined)
      release()
      a.primary.receive('probe', () => undefined)
      // The first taker has nothing left to let go of.
      release()
      assert.throws(() => a.primary.receive('probe', () => undefined), failsWith('ERR_STATE'))
      await Promise.resolve()
    })

    test('counts datagrams and bytes', async ({ a, b }) => {
      const [before, there] = [a.primary.stats, b.primary.stats]
      const [, tries] = await exchange(a.primary, b.primary, PROBE, addressOf(b))
      assert.equal(a.primary.stats.sent - before.sent, tries)
      assert.equal(a.primary.stats.sentBytes - before.sentBytes, tries * PROBE.length)
      assert.ok(b.primary.stats.received > there.received)
      assert.equal(
        (b.primary.stats.receivedBytes - there.receivedBytes) / (b.primary.stats.received - there.received),
        PROBE.length
      )
    })

    test('carries a datagram as large as it says', async ({ a, b }) => {
      const size = a.maxDatagram(addressOf(b))
      assert.ok(size >= 1_200)
      const [{ data }] = await exchange(a.primary, b.primary, new Uint8Array(size).fill(0x21), addressOf(b))
      assert.equal(data.length, size)
    })

    test('never throws from send', async ({ a }) => {
      const before = a.primary.stats.sendErrors
      a.primary.send(new Uint8Array(100_000).fill(0x20), a.primary.local)
      a.primary.send(PROBE, { host: 'no-ip-address.example', port: 1 })
      await until(() => a.primary.stats.sendErrors - before === 2)
    })

    test('opens throw-away sockets with a port of their own', async ({ a, b }) => {
      const further = await a.open()
      assert.deepEqual(a.sockets, [a.primary, further])
      assert.notEqual(further.local.port, 0)
      assert.notEqual(further.local.port, a.primary.local.port)
      const [{ from }] = await exchange(further, b.primary, PROBE, addressOf(b))
      assert.equal(from.port, further.local.port)
      await further.close()
      await further.close()
      assert.deepEqual(a.sockets, [a.primary])
      further.send(PROBE, addressOf(b))
    })

    test('refuses a port that is taken with ERR_SOCKET', async ({ a }) => {
      const { host, port } = (await a.open()).local
      await assert.rejects(a.open({ host, port }), failsWith('ERR_SOCKET'))
    })

    test('says where it listens', async ({ a }) => {
      assert.ok(a.addresses.length > 0)
      for (const { host, port } of a.addresses) {
        assert.equal(port, a.primary.local.port)
        assert.equal(host, Address.canonicalHost(host))
        assert.notEqual(Address.scope({ host, port }), 'unspecified')
      }
      await Promise.resolve()
    })

    test('resolves an IP address to itself, and no name that does not exist', async ({ a }) => {
      assert.deepEqual(await a.resolve('192.0.2.7'), ['192.0.2.7'])
      await assert.rejects(a.resolve('does-not-exist.invalid'), failsWith('ERR_RESOLVE'))
      await assert.rejects(
        a.resolve('192.0.2.7.example.invalid', { signal: AbortSignal.abort() }),
        failsWith('ERR_ABORTED')
      )
    })
  })
}

/** An address at which the other side of a pair reaches this one. */
function addressOf(datagrams: Datagrams): Address {
  const { local } = datagrams.primary
  return Address.scope(local) === 'unspecified' ? (datagrams.addresses.at(-1) ?? local) : local
}

/** Sends until it arrives, since a datagram may be lost; also says how often it was sent. */
async function exchange(
  from: DatagramSocket,
  to: DatagramSocket,
  data: Uint8Array,
  address: Address
): Promise<[Arrival, number]> {
  let arrival: Arrival | undefined
  const release = to.receive('probe', (received, source, socket) => {
    arrival ??= { data: received, from: source, socket }
  })
  try {
    for (let tries = 1; tries <= TRIES; tries++) {
      from.send(data, address)
      if (await happens(() => arrival !== undefined, TURNS)) return [arrival as unknown as Arrival, tries]
    }
    throw new Error('the datagram did not arrive')
  } finally {
    release()
  }
}
