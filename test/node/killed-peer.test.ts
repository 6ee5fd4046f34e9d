import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Contact, createNode, type Node } from '#src/index.js'
import { api, identityOf, pids } from './killed-process.js'

const PROGRAM = fileURLToPath(new URL('killed-process.js', import.meta.url))
/** Within how much a call must be answered after the peer was restarted. */
const ANSWER_MS = 2_000

interface Answer {
  readonly contact?: string
  readonly pid?: number
  readonly error?: string
}

class Child {
  private constructor(
    readonly process: ChildProcess,
    readonly contact: Contact
  ) {}

  static async start(seed: number, port: number): Promise<Child> {
    const child = fork(PROGRAM, [String(seed), String(port)])
    const [{ contact }] = (await once(child, 'message')) as [Answer]
    return new Child(child, Contact.parse(contact!))
  }

  /** What it gets when it calls a node. */
  async call(contact: Contact): Promise<Answer> {
    this.process.send(String(contact))
    const [answer] = (await once(this.process, 'message')) as [Answer]
    return answer
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exited = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exited
  }
}

describe('a peer that is killed and started again on its port with its key', function () {
  this.timeout(30_000)
  let node: Node
  let child: Child

  /** The node in this process, and a child; `smaller` is whose node id is the smaller. */
  async function begin(smaller: 'ours' | 'theirs'): Promise<number> {
    const seeds: [number, number] = [1, 2]
    node = await createNode({ plugins: [identityOf(seeds[0]), pids], host: '127.0.0.1' })
    child = await Child.start(seeds[1], 0)
    if (node.id < child.contact.id === (smaller === 'ours')) return seeds[1]
    await Promise.all([node.stop(), child.kill()])
    node = await createNode({ plugins: [identityOf(seeds[1]), pids], host: '127.0.0.1' })
    child = await Child.start(seeds[0], 0)
    return seeds[0]
  }

  async function restart(seed: number): Promise<void> {
    const { contact } = child
    await child.kill()
    child = await Child.start(seed, contact.addresses[0]!.port)
    expect(String(child.contact)).to.equal(String(contact))
  }

  afterEach(async () => {
    await Promise.all([node.stop(), child.kill()])
  })

  for (const smaller of ['ours', 'theirs'] as const) {
    for (const dialler of ['we', 'they'] as const) {
      it(`answers the next call in time, if ${dialler} had dialled and the smaller id is ${smaller}`, async () => {
        const seed = await begin(smaller)
        const call = async (): Promise<number> =>
          (await node.peer(child.contact).rpc(api).pid({}, { timer: ANSWER_MS })).pid
        if (dialler === 'they') expect(await child.call(node.contact)).to.deep.equal({ pid: process.pid })
        expect(await call()).to.equal(child.process.pid)
        for (let times = 0; times < 2; times++) {
          await restart(seed)
          expect(await call()).to.equal(child.process.pid)
        }
      })
    }

    it(`answers the next call in time that may be repeated, and so was sent at once; smaller: ${smaller}`, async () => {
      const seed = await begin(smaller)
      const { pidAgain } = node.peer(child.contact).rpc(api)
      expect((await pidAgain({})).pid).to.equal(child.process.pid)
      await restart(seed)
      const begun = performance.now()
      expect((await pidAgain({})).pid).to.equal(child.process.pid)
      // The call is made more than once; no timer of one call says how long all took.
      expect(performance.now() - begun).to.be.below(ANSWER_MS)
    })

    it(`is answered in time when it calls first, and is called by the new connection then; smaller: ${smaller}`, async () => {
      const seed = await begin(smaller)
      const { pid } = node.peer(child.contact).rpc(api)
      expect((await pid({})).pid).to.equal(child.process.pid)
      await restart(seed)
      expect(await child.call(node.contact)).to.deep.equal({ pid: process.pid })
      expect((await pid({}, { timer: ANSWER_MS })).pid).to.equal(child.process.pid)
    })
  }
})
