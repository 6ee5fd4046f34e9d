import { NEVER } from 'rxjs'
import {
  PeerloomError,
  silentLogger,
  type Path,
  type PathChange,
  type PathUser,
  type ProbeOptions
} from '#src/kernel/index.js'
import { Address, NodeId } from '#src/model/index.js'
import { Kept } from '#src/plugins/paths/kept.js'
import { readProbe } from '#src/plugins/paths/packet.js'
import { seededRandom, type VirtualClock } from '#src/testkit/index.js'

const DATAGRAM_BYTES = 1_350
/** How often each side says something over the path in use, how soon silence is suspicious, and how long a move may take. */
const TALK_MS = 100
const SUSPICIOUS_MS = 300
const MOVE_MS = 3_000

/** A wire between the two sides, at both ends of which is an address of its own. */
export interface Wire {
  isAlive: boolean
  latencyMs: number
  /** Whether it carries probes and nothing else. */
  isNarrow?: boolean
}

const wirePath = (from: Side, wire: number): Path => ({
  local: { host: from.host, port: wire + 1 },
  remote: { host: from.far.host, port: wire + 1 }
})

/** One end of a connection whose transport is a plain tale: it talks, and moves when it is told. */
export class Side implements PathUser {
  readonly connection: string
  readonly peerTag = new Uint8Array(8)
  readonly datagramBytes = DATAGRAM_BYTES
  readonly story: PathChange[] = []
  far!: Side
  path!: Path
  kept!: Kept
  heardAt = 0
  sent = 0
  receivedBytes = 0
  sentBytes = 0
  dropped: string[] = []
  moves = 0

  constructor(
    readonly world: Wires,
    readonly host: string,
    readonly dialler: boolean,
    readonly peer: NodeId
  ) {
    this.connection = host
  }

  get wire(): number {
    return this.path.remote.port - 1
  }

  start(): void {
    const { clock } = this.world
    this.path = wirePath(this, 0)
    const random = seededRandom(this.dialler ? 1 : 2)
    this.kept = new Kept(this, {
      clock,
      random,
      log: silentLogger,
      events: { stream: NEVER, of: () => NEVER, emit: () => undefined },
      config: { timeoutMs: 4_000, standbyMs: 15_000 },
      keyWith: () => new Uint8Array(32),
      send: (data, path) => {
        this.#send(data, path)
      },
      isCarried: () => true,
      pathTo: (remote) => ({ local: { host: this.host, port: remote.port }, remote }),
      ended: () => undefined
    })
    this.kept.paths$.subscribe((change) => this.story.push(change))
  }

  probe(wire: number, options?: ProbeOptions): Promise<Path> {
    return this.kept.probe(wirePath(this, wire).remote, options)
  }

  migrate(wire: number): Promise<void> {
    return this.kept.migrate(wirePath(this, wire))
  }

  /** The other side follows once it has heard of it. */
  async move(path: Path): Promise<void> {
    const { world, far } = this
    const wire = path.remote.port - 1
    this.moves++
    const hasFollowed = await new Promise<boolean>((resolve) => {
      const timeUp = world.clock.setTimeout(() => {
        resolve(false)
      }, MOVE_MS)
      if (world.wires[wire]?.isNarrow === true) return
      world.carry(wire, () => {
        far.follow(wire)
        world.carry(wire, () => {
          timeUp.clear()
          resolve(true)
        })
      })
    })
    if (!hasFollowed) throw new PeerloomError('ERR_PATH', 'the other side does not follow')
    const before = this.path
    this.path = path
    this.heardAt = world.clock.monotonic()
    this.kept.moved(before, 'us')
  }

  /** The dialler was heard over a wire. */
  follow(wire: number): void {
    const before = this.path
    this.path = wirePath(this, wire)
    this.heardAt = this.world.clock.monotonic()
    this.kept.moved(before, 'peer')
  }

  /** Says something over the path in use, and looks whether something was heard. */
  talk(): void {
    const { world, far, wire } = this
    world.carry(wire, () => {
      if (far.wire === wire) far.heardAt = world.clock.monotonic()
      else if (this.dialler) far.follow(wire)
    })
    if (world.clock.monotonic() - this.heardAt > SUSPICIOUS_MS && this.kept.hasOthers) this.kept.suspect()
    world.clock.setTimeout(
      () => {
        this.talk()
      },
      TALK_MS,
      { background: true }
    )
  }

  receive(data: Uint8Array, path: Path): void {
    this.receivedBytes += data.length
    const packet = readProbe(data)
    const dropped = packet === undefined ? 'malformed' : this.kept.receive(packet, path)
    if (dropped !== undefined) this.dropped.push(dropped)
  }

  #send(data: Uint8Array, path: Path): void {
    this.sent++
    this.sentBytes += data.length
    this.world.onSend?.(data, path, this)
    if (!Address.equals(path.remote, wirePath(this, path.local.port - 1).remote)) return
    this.world.carry(path.local.port - 1, () => {
      this.far.receive(data, { local: path.remote, remote: path.local })
    })
  }
}

/** Two sides with several wires between them, in virtual time. */
export class Wires {
  readonly wires: Wire[]
  readonly near: Side
  readonly far: Side
  /** Sees every probe that is sent. */
  onSend: ((data: Uint8Array, path: Path, side: Side) => void) | undefined

  constructor(
    readonly clock: VirtualClock,
    latenciesMs: readonly number[]
  ) {
    this.wires = latenciesMs.map((latencyMs) => ({ latencyMs, isAlive: true }))
    const ids = [1, 2].map((n) => NodeId.fromBytes(new Uint8Array(32).fill(n)))
    this.near = new Side(this, '10.0.0.1', true, ids[1]!)
    this.far = new Side(this, '10.0.0.2', false, ids[0]!)
    this.near.far = this.far
    this.far.far = this.near
    for (const side of [this.near, this.far]) side.start()
  }

  carry(wire: number, arrive: () => void): void {
    const { isAlive = false, latencyMs = 0 } = this.wires[wire] ?? {}
    if (!isAlive) return
    this.clock.setTimeout(
      () => {
        if (this.wires[wire]?.isAlive === true) arrive()
      },
      latencyMs,
      { background: true }
    )
  }

  talk(): void {
    for (const side of [this.near, this.far]) side.talk()
  }

  end(): void {
    for (const side of [this.near, this.far]) side.kept.end(new PeerloomError('ERR_CONNECTION_CLOSED', 'over'))
  }
}
