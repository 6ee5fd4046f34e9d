import { isDeepStrictEqual } from 'node:util'
import { firstValueFrom } from 'rxjs'
import {
  Address,
  Contact,
  createNode,
  ofType,
  PeerloomError,
  systemClock,
  type EventOf,
  type Node,
  type NodeId
} from '../../index.js'
import { aborted, untilAborted, untilInterrupted } from '../signals.js'
import { callAll, EXPECTED, type Answers } from './calls.js'
import { WorkerProcess } from './process.js'

export interface DemoFlags {
  readonly stay?: boolean
  readonly json?: boolean
}

interface Summary {
  readonly processes: number
  readonly nodes: number
  readonly lookup: { readonly hops: number; readonly contacted: readonly NodeId[] }
  readonly calls: Answers
  readonly ms: number
}

/** Nodes of each worker process; with the caller's own in this process they make 20 in 3. */
const WORKERS = [10, 9] as const
const DEADLINE_MS = 25_000

/** Prints what happens, when it happens. */
type Tell = (text: string) => void

/**
 * A network on this machine: 20 nodes in 3 processes, joined over QUIC through one seed. A node that knows only the
 * seed and one node id finds that node and calls a method of each kind on it.
 */
export async function demo(flags: DemoFlags): Promise<void> {
  const begun = systemClock.monotonic()
  const out = flags.json === true ? process.stderr : process.stdout
  const tell: Tell = (text) => void out.write(`[${((systemClock.monotonic() - begun) / 1000).toFixed(3)} s] ${text}\n`)
  const { signal, release } = untilInterrupted()
  const tooLate = new AbortController()
  const deadline = tooLate.signal
  const timer = systemClock.setTimeout(() => tooLate.abort(), DEADLINE_MS)
  const workers: WorkerProcess[] = []
  try {
    const summary = await run(workers, AbortSignal.any([signal, deadline]), tell, begun)
    timer.clear()
    tell(
      `done: ${String(summary.nodes)} nodes in ${String(summary.processes)} processes, ${plural(summary.lookup.hops, 'hop')} to the ` +
        `one it looked for, 5 of 5 calls right, ${(summary.ms / 1000).toFixed(1)} s`
    )
    if (flags.stay === true) {
      tell('the network stays up; Ctrl-C stops it')
      await Promise.race([aborted(signal), ...workers.map((worker) => worker.lost())])
    }
    if (flags.json === true) process.stdout.write(`${JSON.stringify(summary)}\n`)
  } catch (error) {
    if (deadline.aborted) {
      throw new PeerloomError(
        'ERR_DEADLINE',
        `the demo did not finish within ${String(DEADLINE_MS / 1000)} s; is UDP on 127.0.0.1 allowed here, and the machine not overloaded?`,
        { cause: error }
      )
    }
    if (!signal.aborted) throw error
    process.exitCode = 130
  } finally {
    timer.clear()
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()))
    release()
  }
}

async function run(workers: WorkerProcess[], signal: AbortSignal, tell: Tell, begun: number): Promise<Summary> {
  tell(`this process is ${String(process.pid)}; starting ${String(WORKERS.length)} more`)
  for (let i = 0; i < WORKERS.length; i++) workers.push(new WorkerProcess())
  const contacts: Contact[] = []
  for (const [i, worker] of workers.entries()) {
    const seeds = contacts.slice(0, 1).map(String)
    const nodes = WORKERS[i] ?? 0
    const texts = await untilAborted(worker.run({ nodes, seeds }), signal)
    contacts.push(...texts.map((text) => Contact.parse(text)))
    tell(`process ${String(worker.pid)}: ${String(nodes)} nodes listen on 127.0.0.1 and have joined over QUIC`)
    if (i === 0) tell(`the seed is ${String(contacts[0])}`)
  }
  const [seed, target] = [contacts[0], contacts.at(-1)]
  if (seed === undefined || target === undefined) throw new PeerloomError('ERR_STATE', 'the demo has no nodes')
  await using caller = await createNode({ host: '127.0.0.1', signal })
  narrate(caller, tell)
  tell(`the caller is ${caller.id}; it knows the seed and the id ${target.id}`)
  await introduce(caller, seed, signal)
  const found = firstValueFrom(caller.events.pipe(ofType('discovery.done')))
  const peer = caller.peer(target.id)
  const connection = await peer.connect({ signal })
  const { hops, contacted } = await untilAborted(found, signal)
  tell(`connected to ${connection.peer}, which has proved its id`)
  const calls = await callAll(peer, signal, (method, answer) => {
    tell(`${method} answered ${JSON.stringify(answer)}`)
  })
  if (!isDeepStrictEqual(calls, EXPECTED)) {
    throw new PeerloomError('ERR_RPC', `a call gave a wrong answer: ${JSON.stringify(calls)}; please report this`)
  }
  return {
    processes: WORKERS.length + 1,
    nodes: contacts.length + 1,
    lookup: { hops, contacted },
    calls,
    ms: Math.round(systemClock.monotonic() - begun)
  }
}

/** Makes the seed, and nobody else, known to the caller. */
async function introduce(caller: Node, seed: Contact, signal: AbortSignal): Promise<void> {
  const known = firstValueFrom(caller.events.pipe(ofType('routing.added')))
  await caller.connect(seed, { signal })
  await untilAborted(known, signal)
}

/** Tells of the caller's look-ups and dials as they happen. */
function narrate(caller: Node, tell: Tell): void {
  caller.events
    .pipe(ofType('discovery.query', 'discovery.contact', 'dial.started', 'dial.failed'))
    .subscribe((event) => {
      tell(narration(event))
    })
}

type Narrated = EventOf<'discovery.query' | 'discovery.contact' | 'dial.started' | 'dial.failed'>

function narration(event: Narrated): string {
  switch (event.type) {
    case 'discovery.query':
      return `look-up: hop ${String(event.hop)} asks ${event.node.slice(0, 9)}…`
    case 'discovery.contact':
      return `look-up: found ${event.addresses.map(Address.format).join(', ')}`
    case 'dial.started':
      return `dialling ${Address.format(event.address)}`
    case 'dial.failed':
      return `dialling ${Address.format(event.address)} failed: ${event.code}`
  }
}

function plural(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`
}
