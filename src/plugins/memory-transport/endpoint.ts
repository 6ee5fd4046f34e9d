import {
  abortReason,
  AbortError,
  CloseCode,
  Path,
  PeerloomError,
  type Clock,
  type Connection,
  type Datagrams,
  type DatagramSocket,
  type DialOptions,
  type Identity,
  type Logger,
  type Paths,
  type Random,
  type Transport,
  type TransportStats
} from '../../kernel/index.js'
import { Address, NodeId } from '../../model/index.js'
import { CONNECTION_ID_BYTES, decodePacket, encodePacket, NONCE_BYTES, type Packet } from './codec.js'
import { MemoryConnection, type ConnectionSetup } from './connection.js'
import { Dial } from './dial.js'
import { isProof, prove, type Party, type Transcript } from './handshake.js'
import type { Settings } from './settings.js'
import { Sockets } from './sockets.js'

/** Connections closed by this side whose last word is repeated to a peer that has not heard it. */
const MAX_LINGERING = 256

type PacketOf<K extends Packet['kind']> = Extract<Packet, { kind: K }>

interface Surroundings {
  readonly name: string
  readonly datagrams: Datagrams
  readonly identity: Identity
  /** Who keeps the paths of connections, if anyone does. */
  readonly paths: Paths | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** All connections of one node, found by the connection ids that it chose. */
export class Endpoint implements Transport {
  readonly name: string
  readonly #connections = new Map<string, MemoryConnection>()
  readonly #dials = new Map<string, Dial>()
  /** The answer to each hello, so that a repeated one makes no second connection. */
  readonly #welcomes = new Map<string, Uint8Array>()
  readonly #lingering = new Map<string, Uint8Array>()
  readonly #arrivals: MemoryConnection[] = []
  readonly #dropped: Record<string, number> = {}
  readonly #sockets: Sockets
  readonly #forgetProbes: (() => void) | undefined
  readonly #made = { dialled: 0, accepted: 0 }
  readonly #failed = { dialled: 0, accepted: 0 }
  #sent = 0
  #sentBytes = 0
  #received = 0
  #receivedBytes = 0
  #onConnection: ((connection: Connection) => void) | undefined
  #stopped = false

  constructor(
    private readonly around: Surroundings,
    private readonly settings: Settings
  ) {
    this.name = around.name
    this.#sockets = new Sockets(around.datagrams.primary, around.paths, (data, remote, { local }) => {
      this.#receive(data, { local, remote })
    })
    this.#forgetProbes = around.paths?.serve((tag) => {
      const connection = this.#connections.get(Buffer.from(tag).toString('hex'))
      return connection?.proved === true ? connection.keepPaths() : undefined
    })
  }

  get onConnection(): ((connection: Connection) => void) | undefined {
    return this.#onConnection
  }

  set onConnection(handler) {
    this.#onConnection = handler
    queueMicrotask(() => {
      this.#handOver()
    })
  }

  carry(socket: DatagramSocket): () => void {
    const letGo = this.#sockets.carry(socket)
    return () => {
      // Those that go over it are told, even if they have never thought of another path.
      for (const connection of this.#connections.values()) {
        if (Address.equals(connection.path.local, socket.local)) connection.keepPaths()
      }
      letGo()
    }
  }

  stats(): TransportStats {
    const proved = [...this.#connections.values()].filter((connection) => connection.proved).length
    return {
      connections: proved,
      handshakes: this.#connections.size - proved + this.#dials.size,
      handshakesMade: { ...this.#made },
      handshakesFailed: { ...this.#failed },
      sent: this.#sent,
      sentBytes: this.#sentBytes,
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      dropped: { ...this.#dropped }
    }
  }

  // A refusal must reject, not be thrown.
  async dial(peer: NodeId, address: Address, options: DialOptions = {}): Promise<Connection> {
    const { signal, via = this.#sockets.primary } = options
    if (signal?.aborted === true) throw abortReason(signal)
    if (this.#stopped) throw new AbortError('the transport has stopped')
    const family = Address.family(address)
    if (family === undefined || !via.families.has(family) || this.#sockets.find(via.local) !== via) {
      throw new PeerloomError('ERR_DIAL', `${Address.format(address)} cannot be sent to from here`)
    }
    if (this.#full) throw new PeerloomError('ERR_LIMIT', `there are ${this.settings.maxConnections} connections`)
    const remote: Address = { host: Address.canonicalHost(address.host), port: address.port }
    const path: Path = { local: via.local, remote }
    const { protocols, maxStreams, handshakeTimeoutMs: timeoutMs } = this.settings
    const { connectionId, nonce, nodeId } = this.#newParty()
    const hello = encodePacket({ kind: 'hello', from: connectionId, nonce, nodeId, maxStreams, protocols })
    const dial = new Dial(
      { peer, path, connectionId, nonce, timeoutMs, signal },
      this.around.clock,
      () => {
        this.#send(hello, path)
      },
      (succeeded) => {
        this.#dials.delete(connectionId)
        ;(succeeded ? this.#made : this.#failed).dialled++
      }
    )
    this.#dials.set(connectionId, dial)
    return dial.result
  }

  /** Drains and closes everything; the peers are told. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const dial of [...this.#dials.values()]) dial.fail(new AbortError('the transport is stopping'))
    await Promise.all(
      Array.from(this.#connections.values(), (connection) =>
        connection.drain(CloseCode.SHUTDOWN, 'the node is stopping')
      )
    )
    this.#forgetProbes?.()
    this.#sockets.stop()
    this.#onConnection = undefined
  }

  get #full(): boolean {
    return this.#connections.size + this.#dials.size >= this.settings.maxConnections
  }

  #receive(data: Uint8Array, path: Path): void {
    this.#received++
    this.#receivedBytes += data.length
    const packet = decodePacket(data)
    if (packet === undefined) this.#drop('malformed')
    else if (packet.kind === 'hello') this.#receiveHello(packet, path)
    else if (packet.kind === 'welcome') this.#receiveWelcome(packet, path)
    else this.#receiveForConnection(packet, path, data.length)
  }

  #receiveHello(packet: PacketOf<'hello'>, path: Path): void {
    const key = `${packet.from}@${Address.format(path.remote)}@${Address.format(path.local)}`
    const welcome = this.#welcomes.get(key)
    if (welcome !== undefined) {
      this.#send(welcome, path)
      return
    }
    const protocol = packet.protocols.find((offered) => this.settings.protocols.includes(offered))
    if (protocol === undefined) {
      this.#failed.accepted++
      this.#refuse(packet.from, path, CloseCode.PROTOCOL, 'no protocol in common')
      return
    }
    if (this.#stopped) {
      this.#drop('stopping')
      return
    }
    if (this.#full) {
      this.#drop('limit')
      this.#refuse(packet.from, path, CloseCode.LIMIT, 'too many connections')
      return
    }
    const transcript: Transcript = {
      dialler: { nodeId: packet.nodeId, connectionId: packet.from, nonce: packet.nonce },
      acceptor: this.#newParty(),
      protocols: packet.protocols,
      protocol
    }
    const { nodeId, nonce, connectionId } = transcript.acceptor
    const signature = prove(this.around.identity, 'acceptor', transcript)
    const { maxStreams } = this.settings
    const to = packet.from
    const answer = { kind: 'welcome', to, from: connectionId, nonce, nodeId, maxStreams, protocol, signature } as const
    const bytes = encodePacket(answer)
    this.#welcomes.set(key, bytes)
    this.#connect(transcript, 'inbound', path, packet.maxStreams, { onEnd: () => this.#welcomes.delete(key) })
    this.#send(bytes, path)
  }

  #receiveWelcome(packet: PacketOf<'welcome'>, path: Path): void {
    const dial = this.#dials.get(packet.to)
    if (dial === undefined || !Path.equals(dial.request.path, path)) {
      this.#drop('unknown connection')
      // A repeated welcome is nothing; one for a dial that was given up leaves the peer waiting.
      if (!this.#connections.has(packet.to)) this.#refuse(packet.from, path, CloseCode.CANCELLED, 'no longer wanted')
      return
    }
    const { connectionId, nonce, peer } = dial.request
    const transcript: Transcript = {
      dialler: { nodeId: this.around.identity.nodeId, connectionId, nonce },
      acceptor: { nodeId: packet.nodeId, connectionId: packet.from, nonce: packet.nonce },
      protocols: this.settings.protocols,
      protocol: packet.protocol
    }
    const proved = isProof(this.around.identity, 'acceptor', transcript, packet.signature)
    if (!proved || packet.nodeId !== peer) {
      const found = proved ? `it is ${packet.nodeId}` : 'it proves no node id'
      this.#refuse(packet.from, path, CloseCode.BAD_PEER, 'not the node that was dialled')
      dial.fail(new PeerloomError('ERR_PEER_MISMATCH', `${Address.format(path.remote)} is not ${peer}: ${found}`))
      return
    }
    const connection = this.#connect(transcript, 'outbound', path, packet.maxStreams, { rttMs: dial.rttMs })
    connection.sendFrame({ type: 'proof', signature: prove(this.around.identity, 'dialler', transcript) })
    dial.succeed(connection)
  }

  #receiveForConnection(packet: PacketOf<'data' | 'close' | 'message'>, path: Path, bytes: number): void {
    const connection = this.#connections.get(packet.to)
    const dial = this.#dials.get(packet.to)
    const last = this.#lingering.get(packet.to)
    // One that is not proved yet is at the address to which the handshake went.
    if (connection !== undefined && (connection.proved || Path.equals(connection.path, path))) {
      connection.receive(packet, bytes, path)
    } else if (packet.kind === 'close' && dial !== undefined && Path.equals(dial.request.path, path)) {
      dial.fail(new PeerloomError('ERR_DIAL', `refused: ${packet.reason} (code ${packet.code})`))
    } else {
      this.#drop('unknown connection')
      // The peer has missed the end.
      if (packet.kind !== 'close' && last !== undefined) this.#send(last, path)
    }
  }

  #connect(
    transcript: Transcript,
    direction: 'inbound' | 'outbound',
    path: Path,
    peerMaxStreams: number,
    { onEnd, rttMs }: { onEnd?: () => void; rttMs?: number | undefined }
  ): MemoryConnection {
    const { clock, log, datagrams, identity, name } = this.around
    const [us, them] =
      direction === 'outbound' ? [transcript.dialler, transcript.acceptor] : [transcript.acceptor, transcript.dialler]
    const socket = this.#sockets.find(path.local)
    const setup: ConnectionSetup = {
      ...this.settings,
      id: `${NodeId.short(identity.nodeId)}/${us.connectionId}`,
      peer: them.nodeId,
      direction,
      transport: name,
      protocol: transcript.protocol,
      path,
      remoteConnectionId: them.connectionId,
      maxDatagramBytes: Math.min(datagrams.maxDatagram(path.remote), socket?.maxDatagramBytes ?? Infinity),
      peerMaxStreams,
      handshakeRttMs: rttMs
    }
    const connection: MemoryConnection = new MemoryConnection(setup, {
      clock,
      log,
      keeper: this.around.paths,
      send: (packet, bytes, taken) => {
        this.#send(bytes, taken)
        if (packet.kind === 'close') this.#linger(us.connectionId, bytes)
      },
      socketOf: ({ local }) => this.#sockets.find(local),
      checkProof: (signature) => isProof(identity, 'dialler', transcript, signature),
      accepted: () => {
        this.#made.accepted++
        this.#arrivals.push(connection)
        this.#handOver()
      },
      ended: () => {
        this.#connections.delete(us.connectionId)
        if (!connection.proved) this.#failed.accepted++
        const waiting = this.#arrivals.indexOf(connection)
        if (waiting >= 0) this.#arrivals.splice(waiting, 1)
        onEnd?.()
      }
    })
    this.#connections.set(us.connectionId, connection)
    return connection
  }

  #handOver(): void {
    for (let handler = this.#onConnection; handler !== undefined; handler = this.#onConnection) {
      const connection = this.#arrivals.shift()
      if (connection === undefined) return
      try {
        handler(connection)
      } catch (error) {
        this.around.log.error('the taker of connections threw', error)
      }
    }
  }

  #refuse(connectionId: string, path: Path, code: number, reason: string): void {
    this.#send(encodePacket({ kind: 'close', to: connectionId, code, reason }), path)
  }

  #linger(connectionId: string, bytes: Uint8Array): void {
    this.#lingering.set(connectionId, bytes)
    for (const [oldest] of this.#lingering) {
      if (this.#lingering.size <= MAX_LINGERING) return
      this.#lingering.delete(oldest)
    }
  }

  #send(bytes: Uint8Array, path: Path): void {
    this.#sent++
    this.#sentBytes += bytes.length
    this.#sockets.send(bytes, path)
  }

  #newParty(): Party {
    const { random, identity } = this.around
    const connectionId = Buffer.from(random.bytes(CONNECTION_ID_BYTES)).toString('hex')
    return { nodeId: identity.nodeId, connectionId, nonce: random.bytes(NONCE_BYTES) }
  }

  #drop(cause: string): void {
    this.#dropped[cause] = (this.#dropped[cause] ?? 0) + 1
  }
}
