import 'reflect-metadata'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { Contact } from 'peerloom'
import type { Calls } from './caller.js'
import { Child } from './child.js'
import { readCorpus } from './corpus.js'
import { Clients } from './initial.js'
import type { Holdings } from './node.js'
import { bareSocket } from './sockets.js'

const SOURCES = 256
/** Where all of 127.0.0.0/8 is this machine's. */
const HOSTS = process.platform === 'linux' ? 250 : 1
const ROUNDS = 5
/** How long the rate of calls is measured, with and without a flood. */
const MEASURE_MS = 1_000
/** Datagrams are sent so many milliseconds apart, as many at a time as that makes. */
const STEP_MS = 2
const MAX_BURST = 64
const MIN_RATIO = 0.5
const HEAP_SLACK_BYTES = 8 * 2 ** 20
const RSS_SLACK_BYTES = 64 * 2 ** 20

export interface FloodReport {
  readonly ok: boolean
  readonly problems: readonly string[]
  readonly initials: number
  /** Initials sent a second, as far as the flooding process got. */
  readonly initialsPerSecond: number
  /** Calls answered a second, medians of the rounds. */
  readonly callsBefore: number
  readonly callsDuring: number
  /** The median of the rounds' ratios. */
  readonly ratio: number
  readonly rounds: readonly { readonly before: number; readonly during: number }[]
  readonly longestCallMs: number
  readonly heapBytes: readonly [before: number, after: number]
  readonly rssBytes: readonly [before: number, after: number]
  readonly dropped: Readonly<Record<string, number>>
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/**
 * Floods a node that is being called with genuine first Initials, each of another client, from addresses that never
 * answer. Rounds without and with the flood take turns; the calls are one process's, over one connection.
 */
export async function flood({ initials, rate }: { initials: number; rate: number }): Promise<FloodReport> {
  await using node = await Child.start('node.js', [])
  const text = node.first as string
  await using caller = await Child.start('caller.js', [text])
  const { port } = Contact.parse(text).addresses[0]!
  const sockets = await Promise.all(Array.from({ length: SOURCES }, (_, i) => bareSocket(`127.0.0.${(i % HOSTS) + 2}`)))
  // What is answered is lost, rather than that it costs this process time.
  for (const socket of sockets) socket.setRecvBufferSize(1)
  const clients = new Clients(readCorpus().initial[0]!)
  const share = Math.ceil(initials / ROUNDS)
  const perStep = Math.ceil((rate * STEP_MS) / 1_000)
  let sent = 0
  let longestCallMs = 0

  /** Calls answered a second while `work` goes on. */
  async function rateDuring(work: () => Promise<void>): Promise<number> {
    const [before, begun] = [await caller.ask<Calls>('calls'), performance.now()]
    await work()
    const [after, ended] = [await caller.ask<Calls>('calls'), performance.now()]
    longestCallMs = Math.max(longestCallMs, after.longestMs)
    return ((after.answered - before.answered) * 1_000) / (ended - begun)
  }

  async function floodWith(datagrams: readonly Buffer[]): Promise<number> {
    const begun = performance.now()
    for (let i = 0; i < datagrams.length;) {
      // One that was kept from running falls behind, rather than that it catches up faster than any line could carry.
      const late = Math.ceil(((performance.now() - begun) / STEP_MS) * perStep) - i
      const due = Math.min(datagrams.length, i + Math.min(late, MAX_BURST))
      for (; i < due; i++, sent++) sockets[sent % SOURCES]!.send(datagrams[i]!, port, '127.0.0.1')
      await pause(STEP_MS)
    }
    return performance.now() - begun
  }

  try {
    // Until then, code is still being compiled.
    await pause(MEASURE_MS)
    const before = await node.ask<Holdings>('holdings')
    const rounds: { before: number; during: number }[] = []
    let floodedMs = 0
    for (let round = 0; round < ROUNDS; round++) {
      const datagrams = Array.from({ length: Math.min(share, initials - sent) }, () => clients.next())
      const quiet = await rateDuring(() => pause(MEASURE_MS))
      const during = await rateDuring(async () => {
        floodedMs += await floodWith(datagrams)
      })
      rounds.push({ before: quiet, during })
    }
    const after = await node.ask<Holdings>('holdings')
    const calls = await caller.ask<Calls>('calls')
    const ratio = median(rounds.map(({ before, during }) => during / before))
    const problems: string[] = []
    const hold = (condition: boolean, problem: string): void => {
      if (!condition) problems.push(problem)
    }
    hold(ratio >= MIN_RATIO, `calls kept ${ratio.toFixed(2)} of their rate`)
    hold(calls.failed === 0, `${calls.failed} calls failed`)
    hold(calls.connections === 1, `the caller needed ${calls.connections} connections`)
    hold(after.connections === before.connections, `${after.connections} connections`)
    hold(after.unhandled === 0, `${after.unhandled} rejections were not handled`)
    hold(
      after.heapBytes - before.heapBytes < HEAP_SLACK_BYTES,
      `the heap grew from ${before.heapBytes} to ${after.heapBytes} bytes`
    )
    hold(
      after.rssBytes - before.rssBytes < RSS_SLACK_BYTES,
      `the process grew from ${before.rssBytes} to ${after.rssBytes} bytes`
    )
    return {
      ok: problems.length === 0,
      problems,
      initials: sent,
      initialsPerSecond: Math.round((sent * 1_000) / floodedMs),
      callsBefore: Math.round(median(rounds.map(({ before }) => before))),
      callsDuring: Math.round(median(rounds.map(({ during }) => during))),
      ratio: Math.round(ratio * 100) / 100,
      rounds: rounds.map(({ before, during }) => ({ before: Math.round(before), during: Math.round(during) })),
      longestCallMs: Math.round(longestCallMs),
      heapBytes: [before.heapBytes, after.heapBytes],
      rssBytes: [before.rssBytes, after.rssBytes],
      dropped: after.dropped
    }
  } finally {
    for (const socket of sockets) socket.close()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      initials: { type: 'string', default: '50000' },
      // What fills 100 Mbit/s.
      rate: { type: 'string', default: '10000' }
    }
  })
  const report = await flood({ initials: Number(values.initials), rate: Number(values.rate) })
  process.stdout.write(`${JSON.stringify(report)}\n`)
  process.exitCode = report.ok ? 0 : 1
}
