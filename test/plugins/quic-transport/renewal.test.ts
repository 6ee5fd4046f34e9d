import { expect } from 'chai'
import { X509Certificate } from 'node:crypto'
import { createKernel, Identity, ofType, PeerloomError, readChunk, systemClock } from '#src/kernel/index.js'
import { definePlugin, type Clock, type Stream } from '#src/kernel/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { loadQuiche, type NativeConnection } from '#src/plugins/quic-transport/quiche.js'
import { provenNodeId } from '#src/plugins/quic-transport/tls.js'
import { udp } from '#src/plugins/udp/index.js'
import { startNode } from './nodes.js'

const DAY_MS = 86_400_000

/** The machine's clock, which can be set ahead. */
class SetClock implements Clock {
  ahead = 0
  readonly now = (): number => systemClock.now() + this.ahead
  readonly monotonic = systemClock.monotonic
  readonly setTimeout = systemClock.setTimeout
  readonly hold = systemClock.hold
}

/** Every connection that the native library begins, while `work` runs. */
async function recorded(work: (begun: NativeConnection[]) => Promise<void>): Promise<void> {
  const { Connection } = await loadQuiche()
  const begun: NativeConnection[] = []
  const { connect } = Connection
  Connection.connect = (...args) => {
    const native = connect(...args)
    begun.push(native as NativeConnection)
    return native
  }
  try {
    await work(begun)
  } finally {
    Connection.connect = connect
  }
}

const certificateOf = (native: NativeConnection | undefined): X509Certificate =>
  new X509Certificate(native!.peerCertChain()![0]!)

async function say(out: Stream, inward: Stream, text: string): Promise<void> {
  out.write(Buffer.from(text))
  expect(Buffer.from((await readChunk(inward))!).toString()).to.equal(text)
}

describe('a certificate that comes near its end', () => {
  it('is replaced for new connections, while the node id and old connections stay', async () => {
    const clock = new SetClock()
    const quic = { certificateCheckMs: 10 }
    await recorded(async (begun) => {
      await using server = await startNode({ clock, quic })
      await using client = await startNode()
      const old = await client.transport.dial(server.id, server.address)
      const before = certificateOf(begun.at(-1))
      const accepted = await server.accepted()
      const [stream, inward] = await Promise.all([
        old.open().then((opened) => {
          opened.write(Buffer.of(0))
          return opened
        }),
        new Promise<Stream>((resolve) => (accepted.onStream = resolve))
      ])
      await readChunk(inward)
      await say(stream, inward, 'before')
      clock.ahead = 340 * DAY_MS
      let after = before
      while (after.serialNumber === before.serialNumber) {
        const connection = await client.transport.dial(server.id, server.address)
        after = certificateOf(begun.at(-1))
        connection.close(0, 'seen')
        await connection.closed
      }
      expect(Date.parse(after.validTo)).to.be.greaterThan(Date.parse(before.validTo) + 300 * DAY_MS)
      expect(provenNodeId([after.raw])).to.equal(server.id)
      await say(stream, inward, 'after')
      expect(old.peer).to.equal(server.id)
      // The server dials with the new one, too.
      const back = server.transport.dial(client.id, client.address)
      expect((await back).peer).to.equal(client.id)
    })
  }).timeout(15_000)

  it('is used on, with a warning, while there is no other that can be used', async () => {
    let answer: 'first' | 'none' | 'foreign' = 'first'
    const seeds = { first: 1, foreign: 2 }
    const made = await Promise.all(
      Object.entries(seeds).map(async ([name, fill]) => {
        const kernel = createKernel({ plugins: [identity.with({ seed: new Uint8Array(32).fill(fill) })] })
        await kernel.start()
        const own = kernel.resolve(Identity)
        return [name, { own, certificate: await own.certificate() }] as const
      })
    )
    const known = Object.fromEntries(made)
    const fickle = definePlugin({
      name: 'identity',
      provides: { identity: Identity },
      start: () => ({
        identity: {
          ...known['first']!.own,
          certificate: () =>
            answer === 'none'
              ? Promise.reject(new PeerloomError('ERR_IDENTITY', 'none'))
              : Promise.resolve(known[answer]!.certificate)
        }
      })
    })
    const kernel = createKernel({
      plugins: [udp.with({ host: '127.0.0.1' }), fickle, quicTransport.with({ certificateCheckMs: 5 })]
    })
    const warned = (): Promise<unknown> =>
      new Promise((resolve) => {
        const subscription = kernel.events.pipe(ofType('node.warning')).subscribe(({ error }) => {
          subscription.unsubscribe()
          resolve(error)
        })
      })
    await kernel.start()
    try {
      for (const bad of ['none', 'foreign'] as const) {
        answer = bad
        expect(await warned()).to.have.property('code', 'ERR_IDENTITY')
      }
    } finally {
      await kernel.stop()
    }
  }).timeout(15_000)
})
