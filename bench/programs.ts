import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PEERS_FOLDER } from './nodes.js'
import type { Figure, Variant } from './suite.js'
import type { Settings as RpcSettings } from './rpc/contender.js'
import type { Settings } from './transport/contender.js'

/** Milliseconds after which a program counts as hanging. */
const TIMEOUT_MS = 120_000
/** Characters of what a failed program said that are told. */
const MAX_SAID = 600

/** A program of the bench, which is compiled. */
export const bench = (name: string): string => fileURLToPath(new URL(`${name}.js`, import.meta.url))
/** One of our programs. */
export const ours = (name: string): string => bench(`ours/${name}`)
/** A peer's program. They are plain JavaScript, since their packages and types are not always installed. */
export const peers = (name: string): string => `${PEERS_FOLDER}peers/${name}.mjs`

/** The time of a whole process in milliseconds, from its spawning to its end. */
export function wholeProcess(program: string): Variant {
  return async ({ node }) => {
    const begun = performance.now()
    await run(node, [program])
    return { value: performance.now() - begun, count: 1 }
  }
}

const CYCLES_MS = { quick: 500, full: 1_500 }

/** The mean time in milliseconds of a cycle that a program offers (see cycle.ts), in a process of its own. */
export function cycles(program: string, ...args: readonly number[]): Variant {
  return async ({ node, quick }) => {
    const runner = fileURLToPath(new URL('cycle.js', import.meta.url))
    const budgetMs = quick ? CYCLES_MS.quick : CYCLES_MS.full
    const said = await run(node, [runner, program, String(budgetMs), ...args.map(String)])
    return JSON.parse(said) as Figure
  }
}

/** What two processes do with each other; see transport/. */
export interface Meeting {
  /** A name in transport/measures.ts. */
  readonly measure: string
  /** What it counts in; the amounts for short runs and others. */
  readonly amount?: { readonly quick: number; readonly full: number }
  readonly settings?: Settings
}

const MEETING_MS = { quick: 1_000, full: 3_000 }

/** A measure between a server and a client of one contender, each a process of its own. */
export function meeting(contender: string, { measure, amount, settings = {} }: Meeting): Variant {
  return async ({ node, quick }) => {
    const end = ['--expose-gc', '--no-warnings', fileURLToPath(new URL('transport/end.js', import.meta.url))]
    const configuration = [contender, JSON.stringify(settings)]
    const server = spawn(node, [...end, 'serve', ...configuration], { stdio: ['pipe', 'pipe', 'pipe'] })
    try {
      const where = await firstLine(server)
      const much = String((quick ? amount?.quick : amount?.full) ?? 0)
      const budgetMs = String(quick ? MEETING_MS.quick : MEETING_MS.full)
      return JSON.parse(
        await run(node, [...end, 'measure', ...configuration, where, measure, much, budgetMs])
      ) as Figure
    } finally {
      server.kill('SIGKILL')
    }
  }
}

/** Calls that two processes make; see rpc/. */
export interface Calling {
  /** A name in rpc/measures.ts. */
  readonly measure: string
  /** What it counts in; the amounts for short runs and others. */
  readonly amount: { readonly quick: number; readonly full: number }
  readonly settings?: RpcSettings
  /** Milliseconds that it may take; those of a meeting unless given. */
  readonly budgetMs?: { readonly quick: number; readonly full: number }
  /** A link that is slow and loses datagrams. */
  readonly link?: { readonly rttMs: number; readonly loss: number }
}

/** A measure between a server and a client of one contender, each a process of its own, and a relay between them if asked for. */
export function calling(
  contender: string,
  { measure, amount, settings = {}, budgetMs = MEETING_MS, link }: Calling
): Variant {
  return async ({ node, quick }) => {
    const length = quick ? 'quick' : 'full'
    const started: ChildProcess[] = []
    const start = (binary: string, args: readonly string[]): ChildProcess => {
      const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'pipe'] })
      started.push(child)
      return child
    }
    try {
      const relay =
        link === undefined
          ? undefined
          : start(process.execPath, [bench('rpc/relay'), String(link.rttMs / 2), String(link.loss)])
      const ports = relay === undefined ? {} : { relay: JSON.parse(await firstLine(relay)) as RpcSettings['relay'] }
      const configuration = [contender, JSON.stringify({ ...settings, ...ports })]
      const end = ['--no-warnings', bench('rpc/end')]
      const where = await firstLine(start(node, [...end, 'serve', ...configuration]))
      relay?.stdin?.write(`${(JSON.parse(where) as { port: number }).port}\n`)
      const rest = [where, measure, String(amount[length]), String(budgetMs[length])]
      return JSON.parse(await run(node, [...end, 'measure', ...configuration, ...rest])) as Figure
    } finally {
      for (const child of started) child.kill('SIGKILL')
    }
  }
}

/** Megabytes a second of bare datagrams between two processes. */
export const bareDatagrams: Variant = async ({ node, quick }) => {
  const program = fileURLToPath(new URL('transport/udp.js', import.meta.url))
  const sink = spawn(node, [program, 'sink'], { stdio: ['pipe', 'pipe', 'pipe'] })
  try {
    const budgetMs = String(quick ? MEETING_MS.quick : MEETING_MS.full)
    return JSON.parse(await run(node, [program, 'source', await firstLine(sink), budgetMs])) as Figure
  } finally {
    sink.kill('SIGKILL')
  }
}

/** The first line that a program says. Rejects with what it wrote to standard error if it ends without one. */
async function firstLine({ stdout, stderr }: ChildProcess): Promise<string> {
  let complained = ''
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (complained.length < MAX_SAID) complained += text
  })
  if (stdout === null) throw new TypeError('the program has no output')
  const lines = createInterface(stdout)
  const ended = once(lines, 'close').then(() => {
    throw new Error(`the server ended: ${complained.trim().slice(0, MAX_SAID)}`)
  })
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string]
  ended.catch(() => undefined)
  return line
}

/** Runs a program to its end and gives what it wrote. Rejects with what it wrote to standard error if it fails. */
function run(node: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
    let said = ''
    let complained = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complained += text))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(said)
      else reject(new Error(`ended with ${signal ?? code ?? '?'}: ${complained.trim().slice(0, MAX_SAID)}`))
    })
  })
}
