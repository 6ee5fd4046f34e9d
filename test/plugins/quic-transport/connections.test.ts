import { createSocket } from 'node:dgram'
import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import * as x509 from '@peculiar/x509'
import { expect } from 'chai'
import { parse } from 'valibot'
import {
  chunksOf,
  type Clock,
  CloseCode,
  createKernel,
  Datagrams,
  definePlugin,
  Identity,
  PeerloomError,
  readChunk,
  silentLogger,
  systemClock,
  type Certificate,
  type Connection,
  type Plugin,
  type Stream
} from '#src/kernel/index.js'
import { Address, NodeId } from '#src/model/index.js'
import { Endpoint } from '#src/plugins/quic-transport/endpoint.js'
import { quicTransportOptions } from '#src/plugins/quic-transport/options.js'
import { udp } from '#src/plugins/udp/index.js'
import { checkCertificate, provenNodeId } from '#src/plugins/quic-transport/tls.js'
import { loadQuiche } from '#src/plugins/quic-transport/quiche.js'
import { firstPacketEnd, isLongHeader } from '#src/plugins/quic-transport/packet.js'
import { connectedPair, startNode, type TestNode, type Wrap } from './nodes.js'
import { tapped } from './wraps.js'

const stranger = NodeId.fromBytes(new Uint8Array(32).fill(7))

async function failure(work: () => unknown): Promise<PeerloomError> {
  try {
    await work()
  } catch (error) {
    expect(error).to.be.instanceOf(PeerloomError)
    return error as PeerloomError
  }
  throw new Error('it did not fail')
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** A self-signed certificate and its key. */
async function makeCertificate(kind: 'Ed25519' | 'ECDSA'): Promise<Certificate> {
  const algorithm = kind === 'Ed25519' ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    { name: 'CN=test', keys, signingAlgorithm: algorithm },
    webcrypto
  )
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    certificatePem: certificate.toString('pem'),
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    expires: Date.now() + 1e9
  }
}

/** An identity whose certificate is whatever is given; `nodeId` is what it claims to be. */
function identityWith(certificate: Certificate, nodeId: NodeId): Plugin {
  return definePlugin({
    name: 'identity',
    provides: { identity: Identity },
    start: () => ({
      identity: {
        nodeId,
        sign: () => new Uint8Array(64),
        verify: () => false,
        sharedKey: () => new Uint8Array(32),
        certificate: () => Promise.resolve(certificate)
      }
    })
  })
}

const idOf = ({ certificatePem }: Certificate): NodeId => provenNodeId([new X509Certificate(certificatePem).raw])

/** Dials a node's socket with quiche itself, and a certificate that our own transport would not use. */
async function dialRaw(
  node: TestNode,
  certificate: Certificate,
  sigalgs: string
): Promise<{ code: number; app: boolean }> {
  const quiche = await loadQuiche()
  const pem = (text: string): Uint8Array[] => [Buffer.from(text)]
  const config = quiche.Config.withBoringSslCtx(
    true,
    true,
    null,
    pem(certificate.privateKeyPem),
    pem(certificate.certificatePem),
    sigalgs
  )
  config.setApplicationProtos(['peerloom/1'])
  config.setMaxIdleTimeout(4_000)
  config.setInitialMaxData(10_000)
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const local = { host: '127.0.0.1', port: socket.address().port }
  const native = quiche.Connection.connect(null, Buffer.alloc(20, 3), local, node.address, config)
  const sends: Promise<void>[] = []
  const flush = (): void => {
    for (;;) {
      const buffer = Buffer.alloc(1_350)
      const sent = native.send(buffer)
      if (sent === null) return
      sends.push(
        new Promise((resolve) =>
          socket.send(buffer.subarray(0, sent[0]), node.address.port, node.address.host, () => {
            resolve()
          })
        )
      )
    }
  }
  flush()
  let wrote = false
  try {
    for (;;) {
      const [data] = (await once(socket, 'message')) as [Buffer]
      try {
        native.recv(data, { from: node.address, to: local })
      } catch {
        // Our own TLS refused something; the close that follows says so.
      }
      if (native.isEstablished() && !wrote) {
        wrote = true
        native.streamSend(0, Buffer.from('let me in'), true)
      }
      flush()
      const error = native.peerError() ?? native.localError()
      if (error !== null) return { code: error.errorCode, app: error.isApp }
    }
  } finally {
    await Promise.all(sends)
    socket.close()
  }
}

/** A transport with a certificate that the plugin would not start with. */
async function startOdd(certificate: Certificate): Promise<{ address: Address } & AsyncDisposable> {
  const kernel = createKernel({ plugins: [udp.with({ host: '127.0.0.1' })] })
  await kernel.start()
  const datagrams = kernel.resolve(Datagrams)
  const endpoint = new Endpoint({
    name: 'odd',
    quiche: await loadQuiche(),
    datagrams,
    certificate,
    options: parse(quicTransportOptions, {}),
    clock: systemClock,
    log: silentLogger
  })
  return {
    address: datagrams.primary.local,
    [Symbol.asyncDispose]: async () => {
      await endpoint.stop()
      await kernel.stop()
    }
  }
}

describe('connections over QUIC', () => {
  it('know both node ids, and say the same of themselves', async () => {
    await using pair = await connectedPair()
    expect(pair.out.peer).to.equal(pair.b.id)
    expect(pair.in.peer).to.equal(pair.a.id)
    expect([pair.out.direction, pair.in.direction]).to.deep.equal(['outbound', 'inbound'])
    expect(pair.out.protocol).to.equal('peerloom/1')
    expect(pair.out.remote).to.deep.equal(pair.b.address)
    expect(pair.in.remote).to.deep.equal(pair.a.address)
    expect(pair.a.transport.stats()).to.deep.include({ connections: 1, handshakes: 0 })
  })

  for (const [host, name] of [
    ['::', 'a dual-stack socket, over IPv4'],
    ['::1', 'an IPv6 socket']
  ] as const) {
    it(`work on ${name}`, async function () {
      let pair
      try {
        pair = await connectedPair({ host })
      } catch (error) {
        // A machine without IPv6 has no such socket; udp's own tests cover what it does then.
        if ((error as PeerloomError).code === 'ERR_START') this.skip()
        throw error
      }
      try {
        const stream = await pair.out.open()
        stream.end(Buffer.from('hi'))
        const incoming = await new Promise<Stream>((resolve) => (pair.in.onStream = resolve))
        expect(Buffer.from((await readChunk(incoming))!).toString()).to.equal('hi')
      } finally {
        await pair[Symbol.asyncDispose]()
      }
    })
  }

  it('refuse another node than the one dialled, and the other hears why', async () => {
    await using a = await startNode()
    await using b = await startNode()
    const streams: Stream[] = []
    b.transport.onConnection = (connection) => (connection.onStream = (stream) => streams.push(stream))
    const error = await failure(() => a.transport.dial(stranger, b.address))
    expect(error.code).to.equal('ERR_PEER_MISMATCH')
    expect(error.message).to.contain(b.id)
    await until(() => b.transport.stats().handshakes === 0 && b.transport.stats().connections === 0)
    expect(streams).to.deep.equal([])
    expect(a.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
  })

  it('end with BAD_PEER where the dialler’s refusal comes later than its handshake', async () => {
    await using b = await startNode()
    const seen: Connection[] = []
    const streams: Stream[] = []
    const held: (() => void)[] = []
    b.transport.onConnection = (connection) => {
      seen.push(connection)
      connection.onStream = (stream) => streams.push(stream)
      for (const release of held.splice(0)) release()
    }
    const refusalHeld: Wrap = (datagrams) => {
      const send = (data: Uint8Array, to: Address): boolean => {
        // The handshake is in long headers, the refusal in a short one.
        if (seen.length > 0 || isLongHeader(data)) return true
        const copy = Uint8Array.from(data)
        held.push(() => {
          datagrams.primary.send(copy, to)
        })
        return false
      }
      return tapped({ send })(datagrams)
    }
    await using a = await startNode({ wrap: refusalHeld })
    expect((await failure(() => a.transport.dial(stranger, b.address))).code).to.equal('ERR_PEER_MISMATCH')
    await until(() => seen.length > 0)
    expect(await seen[0]!.closed).to.include({ code: CloseCode.BAD_PEER, by: 'peer', transport: false })
    expect(streams).to.deep.equal([])
    expect(b.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
  })

  it('refuse a client with two certificates, with BAD_PEER, before anything is delivered', async () => {
    await using b = await startNode()
    const [own, other] = await Promise.all([makeCertificate('Ed25519'), makeCertificate('Ed25519')])
    const chain = { ...own, certificatePem: `${own.certificatePem}\n${other.certificatePem}\n` }
    expect(await dialRaw(b, chain, 'ed25519')).to.deep.equal({ code: CloseCode.BAD_PEER, app: true })
    expect(b.inbound).to.deep.equal([])
    expect(b.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
  })

  it('refuse a client whose key is not an Ed25519 key', async () => {
    await using b = await startNode()
    const certificate = await makeCertificate('ECDSA')
    const { app } = await dialRaw(b, certificate, 'ecdsa_secp256r1_sha256:ed25519')
    expect(app).to.equal(false)
    await until(() => b.transport.stats().handshakes === 0)
    expect(b.inbound).to.deep.equal([])
  })

  for (const kind of ['Ed25519', 'ECDSA'] as const) {
    it(`refuse a server with ${kind === 'ECDSA' ? 'an ECDSA key' : 'two certificates'}`, async () => {
      const [own, other] = await Promise.all([makeCertificate(kind), makeCertificate('Ed25519')])
      const certificatePem = kind === 'ECDSA' ? own.certificatePem : `${own.certificatePem}\n${other.certificatePem}\n`
      await using odd = await startOdd({ ...own, certificatePem })
      await using a = await startNode()
      const expected = kind === 'ECDSA' ? stranger : idOf(own)
      const error = await failure(() => a.transport.dial(expected, odd.address))
      expect(error.code).to.equal('ERR_PEER_MISMATCH')
      expect(error.message).to.contain('proves no node id')
      expect(a.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
    })
  }

  it('fail to dial when no protocol is in common, and say so at once', async () => {
    await using b = await startNode()
    await using a = await startNode({ quic: { protocols: ['other/1'] } })
    const error = await failure(() => a.transport.dial(b.id, b.address))
    expect(error.code).to.equal('ERR_DIAL')
    expect(error.message).to.contain('protocols')
  })

  it('agree on the protocol that the dialler likes best', async () => {
    await using pair = await connectedPair(
      { quic: { protocols: ['x/2', 'x/1'] } },
      { quic: { protocols: ['x/1', 'x/2'] } }
    )
    expect([pair.out.protocol, pair.in.protocol]).to.deep.equal(['x/2', 'x/2'])
  })

  for (const closer of ['dialler', 'acceptor'] as const) {
    it(`show code and reason when the ${closer} closes`, async () => {
      await using pair = await connectedPair()
      const [us, them] = closer === 'dialler' ? [pair.out, pair.in] : [pair.in, pair.out]
      const stream = await them.open()
      us.close(0x1234, 'enough')
      const wanted = { code: 0x1234, reason: 'enough', transport: false }
      expect(us.closeInfo).to.deep.equal({ ...wanted, by: 'us' })
      expect(await us.closed).to.deep.equal({ ...wanted, by: 'us' })
      expect(await them.closed).to.deep.equal({ ...wanted, by: 'peer' })
      expect((await failure(() => stream.write(Buffer.from('x')))).code).to.equal('ERR_CONNECTION_CLOSED')
      expect((await failure(() => stream.read())).code).to.equal('ERR_CONNECTION_CLOSED')
      expect((await failure(() => them.open())).code).to.equal('ERR_CONNECTION_CLOSED')
      us.close(1, 'again')
      expect(us.closeInfo?.code).to.equal(0x1234)
    })
  }

  it('deliver what arrived before a close', async () => {
    await using pair = await connectedPair()
    const stream = await pair.out.open()
    const incoming = new Promise<Stream>((resolve) => (pair.in.onStream = resolve))
    stream.end(Buffer.from('last words'))
    const arrived = await incoming
    pair.out.close()
    await pair.in.closed
    const chunks: string[] = []
    for await (const chunk of chunksOf(arrived)) chunks.push(Buffer.from(chunk).toString())
    expect(chunks.join('')).to.equal('last words')
  })

  it('take data that comes in one datagram with an old packet of the handshake', async () => {
    let old: Uint8Array | undefined
    let coalesced = 0
    const wrap: Wrap = (datagrams) =>
      tapped({
        send: (data, to) => {
          // The client's Handshake packet follows its last Initial one, or comes by itself.
          for (let at = 0; isLongHeader(data) && at < data.length && old === undefined; at++) {
            const rest = data.subarray(at)
            const [first = 0, ...version] = rest.subarray(0, 5)
            if ((first & 0xf0) !== 0xe0 || version.join() !== '0,0,0,1') continue
            old = Uint8Array.from(rest.subarray(0, firstPacketEnd(rest)))
          }
          if (isLongHeader(data) || old === undefined || data.length + old.length > 1_350) return true
          coalesced++
          datagrams.primary.send(Buffer.concat([old, data]), to)
          return false
        }
      })(datagrams)
    await using pair = await connectedPair({ wrap }, {})
    const incoming = new Promise<Stream>((resolve) => (pair.in.onStream = resolve))
    const stream = await pair.out.open()
    stream.end(Buffer.from('words'))
    const arrived = await incoming
    expect(Buffer.from((await readChunk(arrived)) ?? []).toString()).to.equal('words')
    expect(coalesced).to.be.greaterThan(0)
  })

  it('end by themselves when the peer falls silent', async () => {
    let silent = false
    await using pair = await connectedPair(
      { quic: { idleTimeoutMs: 300, keepAliveMs: 100 } },
      {
        quic: { idleTimeoutMs: 300, keepAliveMs: 100 },
        wrap: tapped({ send: () => !silent })
      }
    )
    // Keep-alives have held it for longer than the idle time-out.
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(pair.out.closeInfo).to.equal(undefined)
    silent = true
    // What was under way has arrived then.
    await new Promise((resolve) => setTimeout(resolve, 20))
    const pinged = pair.out.ping()
    expect(await pair.out.closed).to.include({ by: 'timeout' })
    expect(await pinged).to.equal(false)
  })

  it('fail to dial where nothing answers, at the deadline', async () => {
    await using a = await startNode({ quic: { handshakeTimeoutMs: 200 } })
    const silent = createSocket('udp4')
    silent.bind(0, '127.0.0.1')
    await once(silent, 'listening')
    try {
      const error = await failure(() => a.transport.dial(stranger, Address.of('127.0.0.1', silent.address().port)))
      expect(error.code).to.equal('ERR_DIAL')
      expect(a.transport.stats().handshakes).to.equal(0)
    } finally {
      silent.close()
    }
  })

  it('fail at once to dial an address that the socket cannot send to', async () => {
    await using a = await startNode()
    for (const address of [Address.of('::1', 4433), Address.of('example.org', 4433)]) {
      expect((await failure(() => a.transport.dial(stranger, address))).code).to.equal('ERR_DIAL')
    }
  })

  it('leave nothing of a dial that was cancelled', async () => {
    await using a = await startNode()
    const silent = createSocket('udp4')
    silent.bind(0, '127.0.0.1')
    await once(silent, 'listening')
    try {
      const controller = new AbortController()
      const dialled = failure(() =>
        a.transport.dial(stranger, Address.of('127.0.0.1', silent.address().port), { signal: controller.signal })
      )
      await once(silent, 'message')
      expect(a.transport.stats().handshakes).to.equal(1)
      controller.abort()
      expect((await dialled).code).to.equal('ERR_ABORTED')
      expect(a.transport.stats()).to.deep.include({ handshakes: 0, connections: 0 })
      expect((await failure(() => a.transport.dial(stranger, a.address, { signal: controller.signal }))).code).to.equal(
        'ERR_ABORTED'
      )
    } finally {
      silent.close()
    }
  })

  it('are limited in number', async () => {
    await using b = await startNode()
    await using a = await startNode({ quic: { maxConnections: 1 } })
    await a.transport.dial(b.id, b.address)
    expect((await failure(() => a.transport.dial(b.id, b.address))).code).to.equal('ERR_LIMIT')
    await using c = await startNode({ quic: { handshakeTimeoutMs: 300 } })
    expect((await failure(() => c.transport.dial(a.id, a.address))).code).to.equal('ERR_DIAL')
    expect(a.transport.stats().dropped['connection limit']).to.be.above(0)
  })

  it('end with SHUTDOWN when the plugin stops, which leaves no timer and no socket', async () => {
    const timers = new Set<object>()
    const clock: Clock = {
      ...systemClock,
      setTimeout(callback, ms, options) {
        const fire = (): void => {
          timers.delete(timer)
          callback()
        }
        const inner = systemClock.setTimeout(fire, ms, options)
        const timer = {
          clear: () => {
            timers.delete(timer)
            inner.clear()
          }
        }
        timers.add(timer)
        return timer
      }
    }
    const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWrap').length
    const before = sockets()
    const pair = await connectedPair({ clock })
    const dialling = failure(() => pair.a.transport.dial(stranger, Address.of('127.0.0.1', 9)))
    expect(timers.size).to.be.above(0)
    await pair.a.stop()
    expect((await dialling).code).to.equal('ERR_ABORTED')
    expect(await pair.out.closed).to.include({ code: CloseCode.SHUTDOWN, by: 'us' })
    expect(await pair.in.closed).to.include({ code: CloseCode.SHUTDOWN, by: 'peer' })
    expect(pair.a.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
    expect((await failure(() => pair.a.transport.dial(pair.b.id, pair.b.address))).code).to.equal('ERR_ABORTED')
    await pair.b.stop()
    expect(timers.size).to.equal(0)
    await until(() => sockets() === before)
  })

  it('give no more streams to a handler that has closed its connection', async () => {
    await using pair = await connectedPair()
    let given = 0
    for (let i = 0; i < 5; i++) (await pair.out.open()).end(Buffer.from('x'))
    pair.in.onStream = (stream) => {
      given++
      stream.connection.close()
    }
    await pair.out.closed
    expect(given).to.equal(1)
  })

  it('wait for a taker, unless they end before', async () => {
    await using a = await startNode()
    await using b = await startNode()
    b.transport.onConnection = undefined
    const first = await a.transport.dial(b.id, b.address)
    const second = await a.transport.dial(b.id, b.address)
    await until(() => b.transport.stats().connections === 2)
    first.close()
    await until(() => b.transport.stats().connections === 1)
    const taken: Connection[] = []
    b.transport.onConnection = (connection) => taken.push(connection)
    expect(taken.length).to.equal(1)
    second.close(5)
    expect((await taken[0]!.closed).code).to.equal(5)
  })
})

describe('certificates of the QUIC transport', () => {
  it('are checked before the library sees them', async () => {
    const good = await makeCertificate('Ed25519')
    const ecdsa = await makeCertificate('ECDSA')
    const otherKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const id = idOf(good)
    expect(() => {
      checkCertificate(good, id)
    }).not.to.throw()
    for (const [certificate, nodeId] of [
      [{ ...good, privateKeyPem: otherKey }, id],
      [{ ...good, certificatePem: '' }, id],
      [{ ...good, privateKeyPem: '' }, id],
      [good, stranger],
      [ecdsa, id]
    ] as const) {
      expect(() => {
        checkCertificate(certificate, nodeId)
      })
        .to.throw(PeerloomError)
        .with.property('code', 'ERR_IDENTITY')
      const started = await startNode({ identity: identityWith(certificate, nodeId) }).then(
        () => 'started',
        (error: unknown) => (error as PeerloomError).code
      )
      expect(started).to.equal('ERR_START')
    }
  })

  it('prove a node id only alone, readable, and with an Ed25519 key', async () => {
    const [good, ecdsa] = await Promise.all([makeCertificate('Ed25519'), makeCertificate('ECDSA')])
    const raw = (certificate: Certificate): Uint8Array => new X509Certificate(certificate.certificatePem).raw
    for (const chain of [null, [], [raw(good), raw(good)], [raw(ecdsa)], [new Uint8Array(10)], [new Uint8Array(0)]]) {
      expect(() => provenNodeId(chain))
        .to.throw(PeerloomError)
        .with.property('code', 'ERR_PEER_MISMATCH')
    }
    expect(NodeId.is(provenNodeId([raw(good)]))).to.equal(true)
  })
})

describe('the native library', () => {
  it('says which platforms it exists for when it does not load', async () => {
    const error = await failure(() => loadQuiche(() => Promise.reject(new Error('no such file'))))
    expect(error.code).to.equal('ERR_NATIVE')
    expect(error.message).to.contain(`${process.platform}-${process.arch}`).and.to.contain('linux-x64')
  })
})
