import type { Observable } from 'rxjs'
import { Address, type NodeId, type PeerloomError } from '../../model/index.js'
import { token } from '../token.js'
import type { DatagramSocket } from './datagrams.js'

/** A way that the datagrams of a connection take: from a socket or carrier of this node to an address of the peer's. */
export interface Path {
  /** This node's end: `local` of the socket. */
  readonly local: Address
  /** The peer's end, as this node sees it. */
  readonly remote: Address
}

/** Compares paths. */
export const Path = {
  equals: (a: Path, b: Path): boolean => Address.equals(a.remote, b.remote) && Address.equals(a.local, b.local)
}

/** What becomes of the paths of a connection. */
export type PathChange =
  /** The peer has answered a probe over it. */
  | { readonly type: 'proved'; readonly path: Path; readonly rttMs: number }
  /** The connection takes it from now on, instead of `before`; `by` says who decided so. */
  | { readonly type: 'moved'; readonly path: Path; readonly before: Path; readonly by: 'us' | 'peer' }
  /** It is kept no more, and not in use: nothing is answered over it, its socket was let go, or newer ones need the room. */
  | { readonly type: 'lost'; readonly path: Path }

export interface ProbeOptions {
  /** The socket or carrier to probe from; the primary one unless given. The transport must carry it. */
  readonly via?: DatagramSocket | undefined
  /** How long to go on asking, in milliseconds; 4,000 unless given. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a transport tells about a connection whose paths are kept. */
export interface PathUser {
  readonly peer: NodeId
  /** The connection's id in this process, for events. */
  readonly connection: string
  /** Whether this side dialled. In QUIC only the dialler can move (RFC 9000 §9), so the other side asks it to. */
  readonly dialler: boolean
  /** The path in use now. */
  readonly path: Path
  /** The id by which the peer's transport finds the connection now; 4 to 20 bytes, as its datagrams bear it. */
  readonly peerTag: Uint8Array
  /** Bytes of the largest datagrams that both sides send. Probes have as many, so that a path that is proved carries them. */
  readonly datagramBytes: number
  /** When something was heard of the peer last, by `Clock.monotonic`. Read now and then, never per packet. */
  readonly heardAt: number
  /** On the dialler's side: takes another, proved path. Resolves once the peer follows; rejects if it does not. */
  move(path: Path): Promise<void>
}

/** The paths of one connection. */
export interface KeptPaths {
  /** Those that were proved and have not failed since, the one in use first; 8 at most. */
  readonly paths: readonly Path[]
  /** Whether there is another path to take when the one in use falls silent. Costs nothing to ask. */
  readonly hasOthers: boolean
  /** Hot. Completes when the connection ends. */
  readonly paths$: Observable<PathChange>
  /** See `Connection.probe`. */
  probe(remote: Address, options?: ProbeOptions): Promise<Path>
  /** See `Connection.migrate`. */
  migrate(path: Path, options?: { signal?: AbortSignal | undefined }): Promise<void>
  /** The transport says that the path in use is another one: the peer moved, or its NAT gave it another address. */
  moved(before: Path, by: 'us' | 'peer'): void
  /**
   * The transport says that an answer is overdue. All paths are probed, the one in use too; if another one answers
   * first, the connection moves there (the dialler by itself; the other side asks it to). It ends when something is
   * heard; calling it again meanwhile does nothing.
   */
  suspect(): void
  /** The connection has ended; whoever still waits is rejected with the reason. */
  end(reason: PeerloomError): void
}

/** What became of probes. */
export interface PathsStats {
  /** Datagrams of class `probe` that were received and dropped, by cause. */
  readonly dropped: Readonly<Record<string, number>>
}

/**
 * Proves and keeps the ways that connections take, by probes of our own (the datagrams of class `probe`), which are
 * authenticated with a key that only the two nodes have, and cost the transport nothing: QUIC is shown only paths that
 * work, of which it can take a limited number in its life.
 */
export interface Paths {
  /** Keeps the paths of a connection. Made when first needed: a connection that never moves costs nothing. */
  keep(user: PathUser): KeptPaths
  /**
   * Has a transport say whose connection a probe is for, by the id that the transport chose for it. One at a time, or
   * `ERR_STATE`; the returned function takes it back.
   */
  serve(find: (tag: Uint8Array) => KeptPaths | undefined): () => void
  /**
   * Takes probes from a further socket or carrier, until the returned function is called: then connections on it look
   * for another path. Throws `ERR_STATE` if one with its `local` address, or the primary socket, is listened to already.
   */
  listen(socket: DatagramSocket): () => void
  stats(): PathsStats
}

export const Paths = token<Paths>('Paths')
