import type { Observable } from 'rxjs'
import { PeerloomError, type Address, type NodeId } from '../../model/index.js'
import { token } from '../token.js'
import type { DatagramSocket } from './datagrams.js'
import type { Path, PathChange, ProbeOptions } from './paths.js'

/**
 * Codes with which a connection or a stream is ended. They cross the wire, so they never change. Codes from 0x1000 on
 * belong to applications.
 */
export const CloseCode = {
  /** Done; nothing is wrong. */
  OK: 0x00,
  /** The node is stopping or its transport is being replaced. */
  SHUTDOWN: 0x01,
  /** The certificate proves no node id, or another than the one dialled. */
  BAD_PEER: 0x02,
  /** There is another connection between the same two nodes, and that one is kept. */
  DUPLICATE: 0x03,
  /** Too many connections. */
  LIMIT: 0x04,
  /** Nothing was heard for long, or nobody has used it for long. */
  IDLE: 0x05,
  /** The peer broke the protocol. */
  PROTOCOL: 0x06,
  /** Something of ours failed. */
  INTERNAL: 0x07,
  /** The peer's answer no longer matters (streams). */
  CANCELLED: 0x08,
  /** It took too long (streams). */
  TIMEOUT: 0x09
} as const

/** How a connection ended. */
export interface CloseInfo {
  /** A {@link CloseCode}, an application's code, or a transport error of RFC 9000 §20.1 if `transport` is true. */
  readonly code: number
  readonly reason: string
  readonly by: 'us' | 'peer' | 'timeout'
  readonly transport: boolean
}

/** The connection is closed; `info` says how. Thrown by whatever still uses it. */
export class ConnectionClosedError extends PeerloomError {
  override readonly name = 'ConnectionClosedError'

  constructor(readonly info: CloseInfo) {
    super(
      'ERR_CONNECTION_CLOSED',
      `the connection is closed: ${info.reason || 'no reason given'} (code ${String(info.code)}, by ${info.by})`
    )
  }
}

/** The peer gave a stream up; `streamCode` is its {@link CloseCode} or an application's code. */
export class StreamResetError extends PeerloomError {
  override readonly name = 'StreamResetError'

  constructor(readonly streamCode: number) {
    super('ERR_STREAM_RESET', `the peer gave up the stream (code ${String(streamCode)})`)
  }
}

/**
 * A bidirectional stream of bytes, made for speed: nothing is allocated per chunk but the chunk. `webStreams(stream)`
 * wraps it as WHATWG streams, `chunksOf(stream)` as an async iterable.
 *
 * End of input alone must never be what a protocol waits for: messages carry an explicit end, since a FIN that
 * travels alone can be lost for ever (cloudflare/quiche#2525).
 */
export interface Stream {
  /** The stream's id in its connection (RFC 9000 §2.1). */
  readonly id: number
  readonly connection: Connection
  /**
   * The next chunk that has arrived; `null` at the end of input; `undefined` if nothing is there yet, in which case
   * `onReadable` is called once something is. Throws {@link StreamResetError} or {@link ConnectionClosedError}; what
   * arrived before the peer closed the connection comes first.
   */
  read(): Uint8Array | null | undefined
  /** Called when `read` has something new to say after it returned `undefined`, a failure included. One at a time. */
  onReadable: (() => void) | undefined
  /**
   * Takes a chunk to send, which must not be changed afterwards. False means: wait for `onWritable` before writing
   * more. A writer that goes on regardless gets `ERR_STREAM_OVERFLOW` after `STREAM_OVERFLOW_BYTES`. Also throws
   * {@link StreamResetError}, {@link ConnectionClosedError}, and `ERR_STREAM_CLOSED` after `end` or `reset`.
   */
  write(chunk: Uint8Array): boolean
  /** Called when there is room again after `write` returned false, and when writing has failed. One at a time. */
  onWritable: (() => void) | undefined
  /** Ends our side, sending the end together with the last bytes. Throws as `write` does; a second call does nothing. */
  end(last?: Uint8Array): void
  /**
   * Gives our side up: what was not sent yet is dropped, and the peer's reader sees `code`, unless a bad link loses it.
   * Never throws.
   */
  reset(code: number): void
  /**
   * Asks the peer to stop sending; what still comes is dropped. The peer's writer sees `code`, unless a bad link loses it:
   * it then writes to its end. Never throws.
   */
  stop(code: number): void
  /**
   * How urgent what this side sends is beside the other streams of the connection: from 0, the most, to 7, the least
   * (RFC 9218 §4.1); 3 unless set. More urgent streams go first, those of one urgency share, and the least urgent keep
   * a small share. The peer is not told. Setting throws `ERR_INVALID_INPUT` for what is no such number.
   */
  urgency: number
  /** True when both sides are over and no callback will come any more. */
  readonly closed: boolean
  /** Called once when `closed` becomes true. */
  onClosed: (() => void) | undefined
}

/** Bytes that a stream buffers before `write` returns false. */
export const STREAM_HIGH_WATER_BYTES = 256 * 1024
/** Bytes that a stream buffers before `write` throws. */
export const STREAM_OVERFLOW_BYTES = 16 * 1024 * 1024

export interface ConnectionStats {
  /** Smoothed round-trip time in milliseconds; 0 until measured. */
  readonly rttMs: number
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly lostPackets: number
  readonly lostBytes: number
  /** Bytes that may be under way unacknowledged (RFC 9002 §7). */
  readonly congestionWindowBytes: number
  /** Messages handed to the network so far. */
  readonly sentMessages: number
  readonly receivedMessages: number
  /** Messages dropped on this side, either way, because too many waited. */
  readonly droppedMessages: number
  /** Streams that are open now. */
  readonly streams: number
  /** Of these, the ones that this side opened. */
  readonly ownStreams: number
  /** Streams that this side has opened so far. */
  readonly openedStreams: number
  /** Streams that the peer has opened so far. */
  readonly acceptedStreams: number
  /**
   * How many more paths the connection can take in its life, moves of the peer included; `Infinity` if there is no
   * limit.
   */
  readonly pathsLeft: number
  /**
   * It has lost for good much of what it was given: paths, or places for its streams. It works on, but a new connection
   * should take its place.
   */
  readonly worn: boolean
}

/**
 * A live connection to one authenticated peer.
 *
 * It exists only once the peer has proved its node id to this side. The dialler may send at once; if the accepting
 * side refuses the dialler, the connection is closed with `CloseCode.BAD_PEER` and nothing has reached a handler there.
 *
 * An {@link Connection.early early} one is given only to those who ask for such: `DialOptions.early`, `Transport.onEarly`.
 */
export interface Connection {
  /** Unique in this process; for logs and events. */
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  /** The name of the transport plugin that made it. */
  readonly transport: string
  /** The protocol that both sides agreed on (ALPN), such as `peerloom/1`. */
  readonly protocol: string
  /** The way that datagrams take now. */
  readonly path: Path
  /** The peer's end of `path`: where its datagrams come from now. */
  readonly remote: Address
  /** Paths that were proved to work and have not failed since, `path` first; 8 at most. */
  readonly paths: readonly Path[]
  /** Hot: what becomes of the paths. Completes when the connection ends. */
  readonly paths$: Observable<PathChange>
  /**
   * Asks whether the peer is reached at another address, or from another socket, by authenticated datagrams outside the
   * connection, which goes on undisturbed. Resolves with the path on which the peer answered: its address there may be
   * another one than was asked, if a NAT stands between. Rejects with `ERR_PATH` when nothing has answered in time or
   * where there is nothing to probe with, `ERR_LIMIT`, {@link ConnectionClosedError} or the signal's reason.
   */
  probe(remote: Address, options?: ProbeOptions): Promise<Path>
  /**
   * Moves the connection, streams and all, to a path that `probe` or `paths` gave. The dialler moves by itself; the
   * other side asks it to, over that path. Resolves once datagrams take it in both directions; rejects with `ERR_PATH`
   * if they cannot, {@link ConnectionClosedError} or the signal's reason, and the connection stays where it was. The
   * signal counts until the path is proved: the move itself runs to its end.
   *
   * It moves without being told when the path in use falls silent and another one works.
   */
  migrate(path: Path, options?: { signal?: AbortSignal | undefined }): Promise<void>
  /** When it was authenticated, by `Clock.monotonic`. */
  readonly openedAt: number
  /**
   * Opens a stream. Waits while the peer allows no more; rejects with {@link ConnectionClosedError}, `ERR_LIMIT` when
   * too many are waiting already, or the signal's reason. The peer learns of a stream from its first bytes.
   */
  open(options?: { signal?: AbortSignal | undefined }): Promise<Stream>
  /** `open` without waiting: `undefined` if the peer allows no more streams now. Throws as `open` rejects. */
  tryOpen(): Stream | undefined
  /**
   * Takes the streams that the peer opens. Those that came before wait here, within the stream limit. Setting it
   * again replaces the handler; `undefined` lets new ones wait again.
   */
  onStream: ((stream: Stream) => void) | undefined
  /**
   * True while the handshake is not done: the dialler sends before it has an answer, by a ticket of an earlier connection
   * (0-RTT, RFC 9001 §4.6). Who the peer is, is proved; but what comes by an early connection on the accepting side may
   * be a recording of what the peer has sent before. Once it is false, what has come and comes is no recording. It stays
   * true if the connection ends first.
   */
  readonly early: boolean
  /** Resolves with true once `early` is false, and with false if the connection ends before. Never rejects. */
  confirmed(): Promise<boolean>
  /** When something was heard of the peer last, by `Clock.monotonic`. */
  readonly heardAt: number
  /**
   * Asks the peer for a sign of life. Resolves with true once anything has been heard of it, and with false once the
   * connection has ended; a peer that is gone is silence. Never rejects.
   */
  ping(): Promise<boolean>
  /**
   * Sends a message that may be lost or overtaken (RFC 9221), in one packet; it waits for the congestion window as
   * everything does. False: too many wait already, and this one was dropped. Throws `ERR_MESSAGE_SIZE` if it is longer
   * than `maxMessageBytes`, and {@link ConnectionClosedError}. The bytes may be changed afterwards.
   */
  sendMessage(message: Uint8Array): boolean
  /** The longest message, in bytes, that can be sent now; 0 if the peer takes none, or the connection has ended. */
  readonly maxMessageBytes: number
  /**
   * Takes the messages that the peer sends; each is the handler's to keep. Without one the newest few wait here, and
   * until the handshake is done all do. Setting it again replaces the handler; `undefined` lets new ones wait again.
   */
  onMessage: ((message: Uint8Array) => void) | undefined
  /** Closes at once; the peer sees code and reason. Streams fail with {@link ConnectionClosedError}. Idempotent. */
  close(code?: number, reason?: string): void
  /**
   * Closes as `close` does, but as soon as what was written has been delivered and the streams that one side has ended
   * are over; after a short time that the transport sets in any case. Until then there are no further streams: to open
   * one fails with a {@link ConnectionClosedError}, and those of the peer are given up with `code`. Never rejects.
   */
  drain(code?: number, reason?: string): Promise<CloseInfo>
  /** How it ended, or `undefined` while it lives. */
  readonly closeInfo: CloseInfo | undefined
  /** Resolves, never rejects, when it has ended for whatever cause. */
  readonly closed: Promise<CloseInfo>
  stats(): ConnectionStats
}

export interface DialOptions {
  readonly signal?: AbortSignal | undefined
  /** The socket or carrier to dial from; the primary one unless given. The transport must carry it. */
  readonly via?: DatagramSocket | undefined
  /**
   * Asks for an early connection. It is called, at most once and before `dial` resolves, with the connection that `dial`
   * resolves with if the peer answers; if not, that connection ends. What is sent until then may reach the peer more than
   * once, and late, so it must be safe to repeat. Not called where there is no ticket or the transport does not allow it.
   */
  readonly early?: ((connection: Connection) => void) | undefined
}

/** Handshakes by who began them: this node or others. */
export type HandshakeCounts = Readonly<Record<'dialled' | 'accepted', number>>

export interface TransportStats {
  readonly connections: number
  /** Handshakes under way. */
  readonly handshakes: number
  /** Handshakes so far that ended in a connection. */
  readonly handshakesMade: HandshakeCounts
  /** Handshakes so far that did not: refused, cancelled, or not done in time. */
  readonly handshakesFailed: HandshakeCounts
  /** Datagrams and their bytes so far, those of ended connections, of handshakes and of none included. */
  readonly sent: number
  readonly sentBytes: number
  readonly received: number
  readonly receivedBytes: number
  /** Datagrams dropped, and peers turned away, by cause. */
  readonly dropped: Readonly<Record<string, number>>
}

/** Makes authenticated connections. */
export interface Transport {
  /** The plugin's name. */
  readonly name: string
  /**
   * Connects to a node at an IP address. Rejects with `ERR_DIAL` (nothing answers, the address cannot be sent to,
   * the protocols do not match), `ERR_PEER_MISMATCH` (someone else answers), `ERR_LIMIT`, `ERR_ABORTED` once the
   * transport stops, or the signal's reason;
   * nothing is left behind then.
   */
  dial(peer: NodeId, address: Address, options?: DialOptions): Promise<Connection>
  /**
   * Takes the connections that others have made to this node, each when it is authenticated. One taker; those that
   * came before it wait, within the limit on connections.
   */
  onConnection: ((connection: Connection) => void) | undefined
  /**
   * Makes and moves connections over a further socket or carrier too: anything that moves datagrams and looks like a
   * socket, such as a channel through a relay, whose addresses may be made up. Until the returned function is called;
   * connections that use it then move to another path if they have one. Throws `ERR_STATE` for one that is carried
   * already, and `ERR_LIMIT`.
   */
  carry(socket: DatagramSocket): () => void
  /**
   * Takes the early connections of others. Each is given to `onConnection` as well when its handshake is done. Where
   * nobody takes them, what they send waits until then.
   */
  onEarly?: ((connection: Connection) => void) | undefined
  stats(): TransportStats
}

export const Transport = token<Transport>('Transport')
