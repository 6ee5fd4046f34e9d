import { expect } from 'chai'
import { X509Certificate } from 'node:crypto'
import { filter, firstValueFrom } from 'rxjs'
import { parse } from 'valibot'
import {
  createKernel,
  Datagrams,
  Identity,
  messageOf,
  ofType,
  silentLogger,
  PeerloomError,
  readChunk,
  systemClock
} from '#src/kernel/index.js'
import { definePlugin, type Clock, type Stream } from '#src/kernel/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { Endpoint } from '#src/plugins/quic-transport/endpoint.js'
import { quicTransportOptions } from '#src/plugins/quic-transport/options.js'
import { loadQuiche, type Quiche } from '#src/plugins/quic-transport/quiche.js'
import { provenNodeId } from '#src/plugins/quic-transport/tls.js'
import { udp } from '#src/plugins/udp/index.js'
import { startNode } from './nodes.js'

const DAY_MS = 86_400_000

/** The machine's clock, set ahead. */
function clockAhead(ahead: { ms: number }): Clock {
  return { ...systemClock, now: () => systemClock.now() + ahead.ms }
}

/** A transport that keeps the native connections which it begins, to be asked for the peer's certificate. */
async function startRecorder(): Promise<{ dial: Endpoint['dial']; last: () => X509Certificate } & AsyncDisposable> {
  const kernel = createKernel({ plugins: [udp.with({ host: '127.0.0.1' }), identity] })
  await kernel.start()
  const { Connection, ...quiche } = await loadQuiche()
  let last: { peerCertChain(): Uint8Array[] | null } | undefined
  const connect: Quiche['Connection']['connect'] = (...args) => {
    const native = Connection.connect(...args)
    last = native
    return native
  }
  const endpoint = new Endpoint({
    name: 'recorder',
    quiche: { ...quiche, Connection: { connect } } as unknown as Quiche,
    datagrams: kernel.resolve(Datagrams),
    certificate: await kernel.resolve(Identity).certificate(),
    options: parse(quicTransportOptions, {}),
    clock: systemClock,
    log: silentLogger
  })
  return {
    dial: endpoint.dial.bind(endpoint),
    last: () => new X509Certificate(last?.peerCertChain()?.[0] ?? ''),
    [Symbol.asyncDispose]: async () => {
      await endpoint.stop()
      await kernel.stop()
    }
  }
}

async function say(out: Stream, inward: Promise<Stream>, text: string): Promise<void> {
  out.write(Buffer.from(text))
  expect(Buffer.from((await readChunk(await inward))!).toString()).to.equal(text)
}

describe('a certificate that comes near its end', () => {
  it('is replaced for new connections, while the node id and old connections stay', async () => {
    const ahead = { ms: 0 }
    await using server = await startNode({ clock: clockAhead(ahead), quic: { certificateCheckMs: 10 } })
    await using client = await startRecorder()
    const old = await client.dial(server.id, server.address)
    const before = client.last()
    const accepted = await server.accepted()
    const inward = new Promise<Stream>((resolve) => (accepted.onStream = resolve))
    const stream = await old.open()
    await say(stream, inward, 'before')
    ahead.ms = 340 * DAY_MS
    let after = before
    while (after.serialNumber === before.serialNumber) {
      const connection = await client.dial(server.id, server.address)
      after = client.last()
      connection.close()
      await connection.closed
    }
    expect(Date.parse(after.validTo)).to.be.greaterThan(Date.parse(before.validTo) + 300 * DAY_MS)
    expect(provenNodeId([after.raw])).to.equal(server.id)
    await say(stream, inward, 'after')
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
              ? Promise.reject(new PeerloomError('ERR_IDENTITY', 'none is there'))
              : Promise.resolve(known[answer]!.certificate)
        }
      })
    })
    const kernel = createKernel({
      plugins: [udp.with({ host: '127.0.0.1' }), fickle, quicTransport.with({ certificateCheckMs: 5 })]
    })
    const warning = (message: string): Promise<unknown> =>
      firstValueFrom(
        kernel.events.pipe(
          ofType('node.warning'),
          filter(({ error }) => messageOf(error).includes(message))
        )
      )
    await kernel.start()
    try {
      answer = 'none'
      await warning('none is there')
      answer = 'foreign'
      await warning('does not carry the node id')
    } finally {
      await kernel.stop()
    }
  }).timeout(15_000)
})
