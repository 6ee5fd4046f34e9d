import { randomBytes } from 'node:crypto'
import {
  KernelError,
  messageOf,
  PeerloomError,
  type Datagrams,
  type DatagramSocket,
  type Identity,
  type KeptPaths,
  type Path,
  type Paths,
  type PathsStats,
  type PathUser,
  type PluginContext,
  type ProbeOptions
} from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { Kept, type KeptHost } from './kept.js'
import type { PathsConfig } from './options.js'
import { readProbe } from './packet.js'

/** What the key of two nodes is for. */
const PURPOSE = 'paths'
const KEY_BYTES = 32

interface Listening {
  readonly socket: DatagramSocket
  readonly stop: () => void
}

type Context = Pick<PluginContext<PathsConfig>, 'clock' | 'random' | 'events' | 'log' | 'config'>

/** Takes probes from all sockets to the connections that they are for. */
export class PathKeeper implements Paths {
  /** Sockets and carriers by their own addresses. */
  readonly #sockets = new Map<string, Listening>()
  readonly #kept = new Set<Kept>()
  readonly #dropped: Record<string, number> = {}
  readonly #host: KeptHost
  #find: ((tag: Uint8Array) => KeptPaths | undefined) | undefined

  constructor(
    private readonly datagrams: Datagrams,
    private readonly identity: Identity,
    context: Context
  ) {
    const { clock, random, events, log, config } = context
    this.#host = {
      clock,
      random,
      events,
      log,
      config,
      keyWith: (user) => this.#keyWith(user),
      send: (data, { local, remote }) => this.#sockets.get(Address.format(local))?.socket.send(data, remote),
      isCarried: ({ local }) => this.#sockets.has(Address.format(local)),
      pathTo: (remote, via, datagramBytes) => this.#pathTo(remote, via, datagramBytes),
      ended: (kept) => this.#kept.delete(kept)
    }
    this.#listen(datagrams.primary)
  }

  keep(user: PathUser): KeptPaths {
    const kept = new Kept(user, this.#host)
    this.#kept.add(kept)
    return kept
  }

  serve(find: (tag: Uint8Array) => KeptPaths | undefined): () => void {
    if (this.#find !== undefined) throw new KernelError('ERR_STATE', 'a transport is served already')
    this.#find = find
    return () => {
      if (this.#find === find) this.#find = undefined
    }
  }

  listen(socket: DatagramSocket): () => void {
    if (this.#sockets.has(Address.format(socket.local))) {
      throw new KernelError('ERR_STATE', `probes are taken from ${Address.format(socket.local)} already`)
    }
    return this.#listen(socket)
  }

  stats(): PathsStats {
    return { dropped: { ...this.#dropped } }
  }

  /** Forgets everything; whoever waits is told the reason. */
  stop(reason: PeerloomError): void {
    for (const kept of [...this.#kept]) kept.end(reason)
    for (const { stop } of this.#sockets.values()) stop()
    this.#sockets.clear()
    this.#find = undefined
  }

  #listen(socket: DatagramSocket): () => void {
    const key = Address.format(socket.local)
    const stop = socket.receive('probe', (data, from) => {
      this.#receive(data, { local: socket.local, remote: from })
    })
    const listening = { socket, stop }
    this.#sockets.set(key, listening)
    return () => {
      if (this.#sockets.get(key) !== listening) return
      stop()
      this.#sockets.delete(key)
      for (const kept of [...this.#kept]) kept.abandon(socket.local, this.#fallback)
    }
  }

  #receive(data: Uint8Array, path: Path): void {
    const packet = readProbe(data)
    if (packet === undefined) {
      this.#drop('malformed')
      return
    }
    const kept = this.#find?.(packet.tag)
    const cause = kept instanceof Kept ? kept.receive(packet, path) : 'unknown connection'
    if (cause !== undefined) this.#drop(cause)
  }

  #drop(cause: string): void {
    this.#dropped[cause] = (this.#dropped[cause] ?? 0) + 1
  }

  #keyWith({ peer, connection }: PathUser): Uint8Array {
    try {
      return this.identity.sharedKey(peer, PURPOSE)
    } catch (error) {
      // Its id is no usable key: it can answer nothing, and the connection stays where it is.
      this.#host.log.debug(`${connection} cannot move: ${messageOf(error)}`)
      return randomBytes(KEY_BYTES)
    }
  }

  /** From the primary socket to where the peer was seen last. */
  readonly #fallback = (remote: Address): Path | undefined => {
    const { primary } = this.datagrams
    const family = Address.family(remote)
    return family !== undefined && primary.families.has(family) ? { local: primary.local, remote } : undefined
  }

  #pathTo(address: Address, via: ProbeOptions['via'], datagramBytes: number): Path {
    const { datagrams } = this
    const socket = via ?? datagrams.primary
    const remote: Address = { host: Address.canonicalHost(address.host), port: address.port }
    const refuse = (why: string): never => {
      throw new PeerloomError('ERR_PATH', `${Address.format(remote)} cannot be probed: ${why}`)
    }
    if (this.#sockets.get(Address.format(socket.local))?.socket !== socket) refuse('the socket is not carried')
    const family = Address.family(remote)
    if (family === undefined) return refuse('it is a name; resolve it to an IP address first')
    if (!socket.families.has(family)) refuse(`the socket does not speak IPv${String(family)}`)
    const wayBytes = datagrams.sockets.includes(socket) ? datagrams.maxDatagram(remote) : Infinity
    const maxBytes = Math.min(socket.maxDatagramBytes ?? Infinity, wayBytes)
    if (maxBytes < datagramBytes) {
      refuse(
        `the connection's datagrams have ${String(datagramBytes)} bytes, and no more than ${String(maxBytes)} get there`
      )
    }
    return { local: socket.local, remote }
  }
}
