import {
  abortReason,
  AbortError,
  CloseCode,
  PeerloomError,
  type Clock,
  type Connection,
  type Datagrams,
  type DialOptions,
  type Identity,
  type Logger,
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

/** Connections closed by this side whose last word is repeated to a peer that has not heard it. */
const MAX_LINGERING = 256

type PacketOf<K extends Packet['kind']> = Extract<Packet, { kind: K }>

interface Surroundings {
  readonly name: string
  readonly datagrams: Datagrams
  readonly identity: Identity
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
  readonly #lingering = new Map<string, { remote: Address; bytes: Uint8Array }>()
  readonly #arrivals: MemoryConnection[] = []
  readonly #dropped: Record<string, number> = {}
  readonly #forgetSocket: () => void
  #onConnection: ((connection: Connection) => void) | undefined
  #stopped = false

  constructor(
    private readonly around: Surroundings,
    private readonly settings: Settings
  ) {
    this.name = around.name
    this.#forgetSocket = around.datagrams.primary.receive('quic', (data, from) => {
      this.#receive(data, from)
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

  carry(): () => void {
    throw new PeerloomError('ERR_STATE', 'not yet')
  }

  stats(): TransportStats {
    const proved = [...this.#connections.values()].filter((connection) => connection.proved).length
    return {
      connections: proved,
      handshakes: this.#connections.size - proved + this.#dials.size,
      dropped: { ...this.#dropped }
    }
  }

  // A refusal must reject, not be thrown.
  async dial(peer: NodeId, address: Address, { signal }: DialOptions = {}): Promise<Connection> {
    if (signal?.aborted === true) throw abortReason(signal)
    if (this.#stopped) throw new AbortError('the transport has stopped')
    const family = Address.family(address)
    if (family === undefined || !this.around.datagrams.primary.families.has(family)) {
      throw new PeerloomError('ERR_DIAL', `${Address.format(address)} cannot be sent to from here`)
    }
    if (this.#full) throw new PeerloomError('ERR_LIMIT', `there are ${this.settings.maxConnections} connections`)
    const remote: Address = { host: Address.canonicalHost(address.host), port: address.port }
    const { protocols, maxStreams, handshakeTimeoutMs: timeoutMs } = this.settings
    const { connectionId, nonce, nodeId } = this.#newParty()
    const hello = encodePacket({ kind: 'hello', from: connectionId, nonce, nodeId, maxStreams, protocols })
    const dial = new Dial(
      { peer, address: remote, connectionId, nonce, timeoutMs, signal },
      this.around.clock,
      () => {
        this.around.datagrams.primary.send(hello, remote)
      },
      () => this.#dials.delete(connectionId)
    )
    this.#dials.set(connectionId, dial)
    return dial.result
  }

  /** Closes everything; the peers are told. */
  stop(): void {
    this.#stopped = true
    for (const dial of [...this.#dials.values()]) dial.fail(new AbortError('the transport is stopping'))
    for (const connection of [...this.#connections.values()]) {
      connection.close(CloseCode.SHUTDOWN, 'the node is stopping')
    }
    this.#forgetSocket()
    this.#onConnection = undefined
  }

  get #full(): boolean {
    return this.#connections.size + this.#dials.size >= this.settings.maxConnections
  }

  #receive(data: Uint8Array, from: Address): void {
    const packet = decodePacket(data)
    if (packet === undefined) this.#drop('malformed')
    else if (packet.kind === 'hello') this.#receiveHello(packet, from)
    else if (packet.kind === 'welcome') this.#receiveWelcome(packet, from)
    else this.#receiveForConnection(packet, from, data.length)
  }

  #receiveHello(packet: PacketOf<'hello'>, from: Address): void {
    const key = `${packet.from}@${Address.format(from)}`
    const welcome = this.#welcomes.get(key)
    if (welcome !== undefined) {
      this.around.datagrams.primary.send(welcome, from)
      return
    }
    const protocol = packet.protocols.find((offered) => this.settings.protocols.includes(offered))
    if (protocol === undefined) {
      this.#refuse(packet.from, from, CloseCode.PROTOCOL, 'no protocol in common')
      return
    }
    if (this.#full) {
      this.#drop('limit')
      this.#refuse(packet.from, from, CloseCode.LIMIT, 'too many connections')
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
    this.#connect(transcript, 'inbound', from, packet.maxStreams, { onEnd: () => this.#welcomes.delete(key) })
    this.around.datagrams.primary.send(bytes, from)
  }

  #receiveWelcome(packet: PacketOf<'welcome'>, from: Address): void {
    const dial = this.#dials.get(packet.to)
    if (dial === undefined || !Address.equals(dial.request.address, from)) {
      this.#drop('unknown connection')
      // A repeated welcome is nothing; one for a dial that was given up leaves the peer waiting.
      if (!this.#connections.has(packet.to)) this.#refuse(packet.from, from, CloseCode.CANCELLED, 'no longer wanted')
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
      this.#refuse(packet.from, from, CloseCode.BAD_PEER, 'not the node that was dialled')
      dial.fail(new PeerloomError('ERR_PEER_MISMATCH', `${Address.format(from)} is not ${peer}: ${found}`))
      return
    }
    const connection = this.#connect(transcript, 'outbound', from, packet.maxStreams, { rttMs: dial.rttMs })
    connection.sendFrame({ type: 'proof', signature: prove(this.around.identity, 'dialler', transcript) })
    dial.succeed(connection)
  }

  #receiveForConnection(packet: PacketOf<'data' | 'close'>, from: Address, bytes: number): void {
    const connection = this.#connections.get(packet.to)
    const dial = this.#dials.get(packet.to)
    const last = this.#lingering.get(packet.to)
    if (connection !== undefined && Address.equals(connection.remote, from)) connection.receive(packet, bytes)
    else if (packet.kind === 'close' && dial !== undefined && Address.equals(dial.request.address, from)) {
      dial.fail(new PeerloomError('ERR_DIAL', `refused: ${packet.reason} (code ${packet.code})`))
    } else {
      this.#drop('unknown connection')
      const missedTheEnd = packet.kind === 'data' && last !== undefined && Address.equals(last.remote, from)
      if (missedTheEnd) this.around.datagrams.primary.send(last.bytes, from)
    }
  }

  #connect(
    transcript: Transcript,
    direction: 'inbound' | 'outbound',
    remote: Address,
    peerMaxStreams: number,
    { onEnd, rttMs }: { onEnd?: () => void; rttMs?: number | undefined }
  ): MemoryConnection {
    const { clock, log, datagrams, identity, name } = this.around
    const [us, them] =
      direction === 'outbound' ? [transcript.dialler, transcript.acceptor] : [transcript.acceptor, transcript.dialler]
    const setup: ConnectionSetup = {
      ...this.settings,
      id: `${NodeId.short(identity.nodeId)}/${us.connectionId}`,
      peer: them.nodeId,
      direction,
      transport: name,
      protocol: transcript.protocol,
      remote,
      remoteConnectionId: them.connectionId,
      maxDatagramBytes: datagrams.maxDatagram(remote),
      peerMaxStreams,
      handshakeRttMs: rttMs
    }
    const connection: MemoryConnection = new MemoryConnection(setup, {
      clock,
      log,
      send: (packet, bytes) => {
        datagrams.primary.send(bytes, remote)
        if (packet.kind === 'close') this.#linger(us.connectionId, remote, bytes)
      },
      checkProof: (signature) => isProof(identity, 'dialler', transcript, signature),
      accepted: () => {
        this.#arrivals.push(connection)
        this.#handOver()
      },
      ended: () => {
        this.#connections.delete(us.connectionId)
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

  #refuse(connectionId: string, remote: Address, code: number, reason: string): void {
    this.around.datagrams.primary.send(encodePacket({ kind: 'close', to: connectionId, code, reason }), remote)
  }

  #linger(connectionId: string, remote: Address, bytes: Uint8Array): void {
    this.#lingering.set(connectionId, { remote, bytes })
    for (const [oldest] of this.#lingering) {
      if (this.#lingering.size <= MAX_LINGERING) return
      this.#lingering.delete(oldest)
    }
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
