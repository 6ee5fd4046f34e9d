import 'reflect-metadata'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { Contact } from 'peerloom'
import type { Calls } from './caller.js'
import { captureCorpus } from './captures.js'
import { Child } from './child.js'
import { readCorpus, writeCorpus } from './corpus.js'
import { Mutations, WAYS, type Way } from './mutations.js'
import type { Holdings } from './node.js'
import { bareSocket } from './sockets.js'

const SOURCES = 64
/** Where all of 127.0.0.0/8 is this machine's. */
const HOSTS = process.platform === 'linux' ? 16 : 1
/** Datagrams at a time, few enough for the node’s socket to have room for them. */
const BATCH = 256
/** After so many, the heap has what it needs, and the first look is taken. */
const WARM_UP = 2_000
/** A new node comes each time so many batches are through. */
const NEWCOMER_EVERY = 20
/** How long what was begun may take to be over. */
const SETTLE_MS = 20_000
/** How often, and how long each time, the node is asked whether it has got so far. */
const MARKS = 10
const MARK_MS = 2_000
const HEAP_SLACK_BYTES = 6 * 2 ** 20
const RSS_SLACK_BYTES = 96 * 2 ** 20

export interface FuzzReport {
  readonly ok: boolean
  readonly problems: readonly string[]
  readonly seed: number
  readonly datagrams: number
  readonly ways: Readonly<Record<Way, number>>
  readonly seconds: number
  /** What follows is missing if it was not got to. */
  readonly calls?: Calls
  readonly before?: Holdings
  readonly after?: Holdings
  readonly exitCode?: number | null
}

/** A socket whose datagram is answered once all that came before it has been dealt with. */
class Marker {
  readonly #packet = Buffer.alloc(1_200)

  constructor(
    private readonly socket: Socket,
    private readonly port: number
  ) {
    // Of an unknown version, which is answered whatever else the node has to do.
    this.#packet.set([0xc0, 0x1a, 0x2a, 0x3a, 0x4a])
  }

  async passed(): Promise<void> {
    for (let tries = 0; tries < MARKS; tries++) {
      this.socket.send(this.#packet, this.port, '127.0.0.1')
      // Either of the two may be lost, or the node gone.
      const answered = once(this.socket, 'message', { signal: AbortSignal.timeout(MARK_MS) })
      if (await answered.then(() => true).catch(() => false)) return
    }
    throw new Error('the node takes no datagrams any more')
  }
}

/** Throws hostile datagrams at a node in a process of its own that answers calls of another, and looks what is left. */
export async function fuzz({ datagrams, seed }: { datagrams: number; seed: number }): Promise<FuzzReport> {
  const begun = performance.now()
  // Handshakes that come to nothing are given up soon, and many may be under way, so that there is time for many.
  const options = JSON.stringify({ handshakeTimeoutMs: 1_000, retryAboveHandshakes: 900 })
  await using node = await Child.start('node.js', [options])
  const text = node.first as string
  const mutations = new Mutations(readCorpus(), seed)
  await using caller = await Child.start('caller.js', [text], (data) => {
    mutations.overhear(Buffer.from(data, 'base64'))
  })
  const { port } = Contact.parse(text).addresses[0]!
  const sockets = await Promise.all(Array.from({ length: SOURCES }, (_, i) => bareSocket(`127.0.0.${(i % HOSTS) + 1}`)))
  using marked = await bareSocket()
  const marker = new Marker(marked, port)
  const ways = Object.fromEntries(WAYS.map((way) => [way, 0])) as Record<Way, number>
  const problems: string[] = []
  const hold = (condition: boolean, problem: string): void => {
    if (!condition && problems.length < 20) problems.push(problem)
  }

  async function throwAt(count: number): Promise<void> {
    let answered = -1
    for (let sent = 0, batch = 0; sent < count; batch++) {
      for (let i = 0; i < BATCH && sent < count; i++, sent++) {
        const { way, data } = mutations.next()
        ways[way]++
        sockets[mutations.below(SOURCES)]!.send(data, port, '127.0.0.1')
      }
      await marker.passed()
      if (batch % NEWCOMER_EVERY !== NEWCOMER_EVERY - 1) continue
      await caller.ask('newcomer')
      const calls = await caller.ask<Calls>('calls')
      hold(calls.answered > answered, `no call was answered between two looks, at datagram ${sent}`)
      answered = calls.answered
    }
  }

  /** What the node holds while nobody calls it and nothing is under way. */
  async function atRest(like?: Holdings): Promise<Holdings> {
    await caller.ask('pause')
    const until = performance.now() + SETTLE_MS
    for (;;) {
      const now = await node.ask<Holdings>('holdings')
      const over = now.handshakes === 0 && (like === undefined || noMoreHandles(now, like))
      if (over || performance.now() > until) return now
    }
  }

  /** Throws all of it, and checks what must hold. */
  async function run(): Promise<Pick<FuzzReport, 'calls' | 'before' | 'after' | 'exitCode'>> {
    await throwAt(Math.min(WARM_UP, datagrams))
    const before = await atRest()
    await caller.ask('resume')
    await throwAt(datagrams - Math.min(WARM_UP, datagrams))
    await caller.ask('newcomer')
    const calls = await caller.ask<Calls>('calls')
    const after = await atRest(before)
    hold(calls.failed === 0, `${calls.failed} calls failed`)
    hold(calls.refused === 0, `${calls.refused} new nodes were not answered`)
    hold(calls.connections === 1, `the caller needed ${calls.connections} connections`)
    hold(after.unhandled === 0, `${after.unhandled} rejections were not handled`)
    hold(after.dropped['internal error'] === undefined, `internal errors: ${after.dropped['internal error']}`)
    hold(after.handshakes === 0, `${after.handshakes} handshakes are left`)
    hold(after.connections === before.connections, `connections: ${before.connections} became ${after.connections}`)
    hold(noMoreHandles(after, before), `handles: ${JSON.stringify([before.handles, after.handles])}`)
    hold(after.heapBytes - before.heapBytes < HEAP_SLACK_BYTES, `heap: ${before.heapBytes} to ${after.heapBytes} bytes`)
    hold(after.rssBytes - before.rssBytes < RSS_SLACK_BYTES, `memory: ${before.rssBytes} to ${after.rssBytes} bytes`)
    await caller.end()
    const exitCode = await node.end()
    hold(exitCode === 0, `the node's process ended with ${exitCode}`)
    for (const child of [node, caller]) hold(child.complaints === '', child.complaints.slice(0, 500))
    return { calls, before, after, exitCode }
  }

  try {
    const found = await run().catch((error: unknown) => {
      problems.push(String(error))
      return {}
    })
    const seconds = Math.round(performance.now() - begun) / 1_000
    return { ok: problems.length === 0, problems, seed, datagrams, ways, seconds, ...found }
  } finally {
    for (const socket of sockets) socket.close()
  }
}

/** A timer or so may have been under way at the first look, and none at the second. */
function noMoreHandles({ handles: now }: Holdings, { handles: before }: Holdings): boolean {
  return Object.entries(now).every(([kind, count]) => count <= (before[kind] ?? 0))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      datagrams: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      capture: { type: 'boolean', default: false }
    }
  })
  if (values.capture) writeCorpus(await captureCorpus())
  const report = await fuzz({ datagrams: Number(values.datagrams), seed: Number(values.seed) })
  process.stdout.write(`${JSON.stringify(report)}\n`)
  process.exitCode = report.ok ? 0 : 1
}
