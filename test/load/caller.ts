// Calls a node without a pause, over one connection, until told otherwise; now and then from a new node as well.
import { Contact, createNode, udp, unary, type Node } from 'peerloom'
import { wrapped } from '../plugins/quic-transport/nodes.js'
import { tapped } from '../plugins/quic-transport/wraps.js'
import { answer, say } from './child.js'

/** Calls under way at a time. */
const AT_ONCE = 16
/** A call that takes longer counts as failed. */
const CALL_TIMEOUT_MS = 10_000
/** Of what it sends, every so many datagrams are told. */
const TELL_EVERY = 97

export interface Calls {
  readonly answered: number
  readonly failed: number
  /** The longest that a call took, since this was asked last. */
  readonly longestMs: number
  /** Connections to the node so far. */
  readonly connections: number
  /** New nodes that were answered, and that were not. */
  readonly newcomers: number
  readonly refused: number
}

const contact = Contact.parse(process.argv[2]!)
let sent = 0
const tap = tapped({
  send: (data) => {
    if (sent++ % TELL_EVERY === 0) say(Buffer.from(data).toString('base64'))
    return true
  }
})
const node = await createNode({ plugins: [wrapped(udp.with({ host: '127.0.0.1' }), tap)] })
const counts = { answered: 0, failed: 0, longestMs: 0, connections: 0, newcomers: 0, refused: 0 }
node.events.subscribe(({ type }) => {
  if (type === 'connection.opened') counts.connections++
})

const api = { square: unary<{ value: number }, { value: number }>() }

async function call(caller: Node, value: number): Promise<void> {
  const begun = performance.now()
  const answered = await caller.peer(contact).rpc(api).square({ value }, { timer: CALL_TIMEOUT_MS })
  if (answered.value !== value ** 2) throw new Error('a wrong answer')
  counts.longestMs = Math.max(counts.longestMs, performance.now() - begun)
}

let calling = true
let under: Promise<unknown> = Promise.resolve()

async function callOn(): Promise<void> {
  for (let value = 1; calling; value = (value % 1_000) + 1) {
    await call(node, value).then(
      () => counts.answered++,
      (error: unknown) => {
        counts.failed++
        process.stderr.write(`a call failed: ${String(error)}\n`)
      }
    )
  }
}

/** A node that nobody has seen before connects and calls once. */
async function newcomer(): Promise<void> {
  try {
    await using fresh = await createNode({ host: '127.0.0.1' })
    await call(fresh, 7)
    counts.newcomers++
  } catch (error) {
    counts.refused++
    process.stderr.write(`a newcomer failed: ${String(error)}\n`)
  }
}

function begin(): void {
  calling = true
  under = Promise.all(Array.from({ length: AT_ONCE }, callOn))
}

await call(node, 2)
begin()

answer(
  null,
  {
    calls: (): Calls => {
      const now = { ...counts }
      counts.longestMs = 0
      return now
    },
    newcomer,
    pause: async () => {
      calling = false
      await under
    },
    resume: begin
  },
  async () => {
    calling = false
    await under
    await node.stop()
  }
)
