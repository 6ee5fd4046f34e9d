import { expect } from 'chai'
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs'
import {
  Contact,
  createNode,
  definePlugin,
  MemoryNetwork,
  memoryNetwork,
  memoryTransport,
  NodeId,
  ofType,
  Router,
  RpcRegistry,
  systemClock,
  Transport,
  unary,
  type Clock,
  type ClockTimer,
  type KernelEvent,
  type Node,
  type Plugin
} from 'peerloom'

const LOCAL = { host: '127.0.0.1' }
const nobody = NodeId.fromBytes(new Uint8Array(32).fill(9))

const rejection = async (promise: Promise<unknown>): Promise<Error & { code?: string; cause?: unknown }> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('expected a rejection')
}

/** A plugin that notes whether anyone called it. */
function witness(): { plugin: Plugin; calls: () => number } {
  let calls = 0
  const plugin = definePlugin({
    name: 'witness',
    needs: { rpc: RpcRegistry },
    start: ({ rpc }) => void rpc.register({ call: unary<null, null>(() => (calls++, null)) })
  })
  return { plugin, calls: () => calls }
}

const callApi = { call: unary<null, null>() }

/** Has `caller` know `seed` and nobody else, without the self-look-up of a join. */
async function introduce(caller: Node, seed: Contact): Promise<void> {
  const known = firstValueFrom(caller.events.pipe(ofType('routing.added')))
  await caller.connect(seed)
  await known
}

describe('a node', () => {
  it('tells one story for one attempt: discovery, dialling, connected', async () => {
    await using seed = await createNode(LOCAL)
    await using target = await createNode(LOCAL)
    await using caller = await createNode(LOCAL)
    // The target has not joined, so it looks for nobody and will not be the one that dials.
    await introduce(seed, target.contact)
    await introduce(caller, seed.contact)
    const story: KernelEvent[] = []
    caller.events.subscribe((event) => story.push(event))
    const steps = await lastValueFrom(caller.connect$(target.id).pipe(toArray()))
    const attempt = steps[0]!.attempt
    const types = story.filter((event) => event.attempt === attempt).map(({ type }) => type)
    const order = [
      'discovery.started',
      'discovery.query',
      'discovery.contact',
      'dial.started',
      'connection.opened',
      'connect.done'
    ] as const
    expect(types.filter((type) => (order as readonly string[]).includes(type))).to.deep.equal(order)
    const kinds = steps.map(({ type }) => type)
    expect(kinds.indexOf('contact')).to.be.lessThan(kinds.indexOf('dialing'))
    expect(kinds.at(-1)).to.equal('connected')
    expect(new Set(steps.map((step) => step.attempt)).size).to.equal(1)
  })

  it('refuses a peer that is not the one dialled, and reaches none of its handlers', async () => {
    const { plugin, calls } = witness()
    await using server = await createNode({ ...LOCAL, plugins: [plugin] })
    await using caller = await createNode(LOCAL)
    const impostor = Contact.of(nobody, server.addresses)
    const error = await rejection(caller.peer(impostor).rpc(callApi).call(null))
    expect(error).to.have.property('code', 'ERR_CONNECT')
    expect(error).to.have.nested.property('report.candidates[0].code', 'ERR_PEER_MISMATCH')
    expect(await caller.peer(server.contact).rpc(callApi).call(null)).to.equal(null)
    expect(calls()).to.equal(1)
  })

  it('is called back over the connection that it opened', async () => {
    const { plugin, calls } = witness()
    await using server = await createNode(LOCAL)
    await using caller = await createNode({ ...LOCAL, plugins: [plugin] })
    const met = firstValueFrom(server.peers$)
    await caller.connect(server.contact)
    await met
    await server.peer(caller.id).rpc(callApi).call(null)
    expect(calls()).to.equal(1)
  })

  it('says who was asked when nobody knows a node', async () => {
    await using seed = await createNode(LOCAL)
    await using caller = await createNode({ ...LOCAL, seeds: [seed.contact] })
    const error = await rejection(caller.connect(nobody))
    expect(error).to.have.property('code', 'ERR_NOT_FOUND')
    expect(error).to.have.deep.nested.property('report.discovery.contacted', [seed.id])
    expect(await rejection(caller.find(nobody))).to.have.property('code', 'ERR_NOT_FOUND')
  })

  it('starts though its seeds are down, says so, and joins when they are up', async () => {
    const network = new MemoryNetwork()
    const on = (host: string) => [memoryNetwork.with({ network, host, port: 1 }), memoryTransport]
    const { contact, stop } = await (async () => {
      const node = await createNode({ plugins: on('10.0.0.1') })
      return { contact: node.contact, stop: node }
    })()
    await stop.stop()
    const patient = createNode({ plugins: [...on('10.0.0.2')], seeds: [contact] })
    await using node = await patient
    const joined = firstValueFrom(node.events.pipe(ofType('routing.joined')))
    expect(node.kernel.resolve(Router).size).to.equal(0)
    await stop.start()
    await joined
    expect(node.kernel.resolve(Router).size).to.equal(1)
    await stop.stop()
  }).timeout(40_000)

  it('keeps its id, its handles and its event stream when it stops and starts again', async () => {
    const { plugin, calls } = witness()
    await using server = await createNode({ ...LOCAL, plugins: [plugin] })
    await using caller = await createNode(LOCAL)
    const { id } = caller
    let events = 0
    caller.events.pipe(ofType('kernel.started')).subscribe(() => events++)
    const remote = caller.peer(server.contact).rpc(callApi)
    await remote.call(null)
    await caller.stop()
    expect(await rejection(remote.call(null))).to.have.property('code', 'ERR_STATE')
    await caller.start()
    await remote.call(null)
    expect({ id: caller.id, calls: calls(), events }).to.deep.equal({ id, calls: 2, events: 1 })
  })

  it('takes a plugin of the user instead of the standard one', async () => {
    const network = new MemoryNetwork()
    await using node = await createNode({
      plugins: [memoryNetwork.with({ network, host: '10.0.0.1' }), memoryTransport]
    })
    expect(node.kernel.resolve(Transport).name).to.equal('memory-transport')
    expect(node.addresses[0]?.host).to.equal('10.0.0.1')
    const error = await rejection(createNode({ port: 1, plugins: [memoryNetwork.with({ network, host: '10.0.0.2' })] }))
    expect(error).to.have.property('code', 'ERR_CONFIG')
  })

  it('refuses malformed seeds, targets and keys before it does anything', async () => {
    expect(await rejection(createNode({ ...LOCAL, seeds: ['nonsense'] }))).to.have.property('code', 'ERR_CONFIG')
    await using node = await createNode(LOCAL)
    expect(await rejection(node.connect(node.id))).to.have.property('code', 'ERR_INVALID_INPUT')
    expect(() => node.peer(undefined as never))
      .to.throw()
      .with.property('code', 'ERR_INVALID_INPUT')
    expect(await rejection(node.find(null as never))).to.have.property('code', 'ERR_INVALID_INPUT')
    expect(() => node.peer('nonsense'))
      .to.throw()
      .with.property('code', 'ERR_INVALID_INPUT')
    expect(await rejection(node.find('nonsense'))).to.have.property('code', 'ERR_INVALID_INPUT')
    expect(await rejection(node.connect('nonsense'))).to.have.property('code', 'ERR_INVALID_INPUT')
    expect(await rejection(node.put(new Uint8Array(1)))).to.have.property('code', 'ERR_GRAPH')
  })

  it('gives up a start when its signal is aborted', async () => {
    expect(await rejection(createNode({ ...LOCAL, signal: AbortSignal.abort() }))).to.have.property(
      'code',
      'ERR_ABORTED'
    )
  })

  it('leaves no socket or timer behind', async () => {
    const timers = new Set<ClockTimer>()
    const clock: Clock = {
      ...systemClock,
      setTimeout(callback, ms, options) {
        const inner = systemClock.setTimeout(
          () => {
            timers.delete(timer)
            callback()
          },
          ms,
          options
        )
        const timer = {
          clear: () => {
            timers.delete(timer)
            inner.clear()
          }
        }
        timers.add(timer)
        return timer
      }
    }
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length
    const before = sockets()
    const a = await createNode({ ...LOCAL, clock })
    const b = await createNode({ ...LOCAL, clock, seeds: [a.contact] })
    expect(sockets()).to.equal(before + 2)
    expect(timers.size).to.be.greaterThan(0)
    await Promise.all([a.stop(), b.stop()])
    // The system lets go of a socket a turn of the loop after it was closed.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect({ sockets: sockets(), timers: timers.size }).to.deep.equal({ sockets: before, timers: 0 })
  })
})
