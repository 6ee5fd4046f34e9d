import { expect } from 'chai'
import * as rx from 'rxjs'
import type { Observable } from 'rxjs'
import { AbortError, PeerloomError, Router, type FindResult, type FindStep } from '#src/kernel/index.js'
import { Address, Contact } from '#src/model/index.js'
import { kademlia } from '#src/plugins/kademlia/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { routerConformance, type RouterNetwork, type RouterNode } from '#src/testkit/index.js'
import { failureOf, testsOf } from './collect.js'
import { overMemory, overQuic, type Surroundings } from './surroundings.js'

const QUERY_TIMEOUT_MS = 500

async function networkOf(count: number, { clock, start }: Surroundings): Promise<RouterNetwork> {
  const nodes: RouterNode[] = []
  for (let n = 1; n <= count; n++) {
    const { kernel, contact } = await start(n, rpc, kademlia.with({ queryTimeoutMs: QUERY_TIMEOUT_MS }))
    nodes.push({ contact, router: kernel.resolve(Router), events: kernel.events, stop: () => kernel.stop() })
  }
  return {
    ...(clock && { clock }),
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    }
  }
}

for (const [name, surroundings] of [
  ['memory-transport in virtual time', overMemory],
  ['QUIC', overQuic]
] as const) {
  routerConformance({
    name: `kademlia over ${name}`,
    create: (count) => networkOf(count, surroundings()),
    describe,
    it
  })
}

type Change = (router: Router, self: Contact) => Partial<Omit<Router, 'size'>>

const mapped = (router: Router, map: (steps$: Observable<FindStep>) => Observable<FindStep>): Partial<Router> => ({
  find$: (target, options) => map(router.find$(target, options))
})
const onDone = (router: Router, change: (done: FindResult) => FindResult): Partial<Router> =>
  mapped(
    router,
    rx.map((step) => (step.type === 'done' ? change(step) : step))
  )
const failing = (code: string) => (): never => {
  throw new PeerloomError(code, 'broken')
}
const withoutSignal = (router: Router): Partial<Router> => ({
  find$: (target, { attempt } = {}) => router.find$(target, { attempt }),
  find: (target, { attempt } = {}) => router.find(target, { attempt }),
  join: (seeds, { attempt } = {}) => router.join(seeds, { attempt })
})
/** A look-up goes on though nobody listens. */
const undead = (router: Router): Partial<Router> =>
  mapped(router, (steps$) =>
    rx.defer(() => {
      const steps = new rx.ReplaySubject<FindStep>()
      steps$.subscribe(steps)
      return steps
    })
  )

/** For each test of the suite, a router that it refuses. */
const mutants: Readonly<Record<string, Change>> = {
  'knows nobody before it has joined': () => ({ stats: () => ({ contacts: 1, dropped: {} }) }),
  'joins by way of seeds, says how many it knows, and becomes known': (router) => ({
    join: (seeds, options) => router.join(seeds, options).then(() => 0)
  }),
  'joins by no seeds at all, and by itself, which is the same': (router) => ({
    join: async (seeds, options) => (seeds.length === 0 ? failing('ERR_CONNECT')() : router.join(seeds, options))
  }),
  'rejects with ERR_CONNECT if there are seeds and none answers': (router) => ({
    join: (seeds, options) => router.join(seeds, options).catch(() => 0)
  }),
  'joins by whichever seed answers, and knows none that did not': (router) => ({
    join: async (seeds, options) => {
      for (const seed of seeds) await router.join([seed], options)
      return router.size
    }
  }),
  'joins more than once at a time': (router) => {
    let busy = false
    return {
      join: async (seeds, options) => {
        if (busy) return router.size
        busy = true
        return router.join(seeds, options).finally(() => (busy = false))
      }
    }
  },
  'gives the contacts nearest to a target, nearest first, without asking anyone': (router) => ({
    closest: (target, count) => [...router.closest(target, count)].reverse()
  }),
  'counts its contacts, and what it dropped': (router) => ({
    stats: () => ({ ...router.stats(), contacts: router.size + 1 })
  }),
  'finds every node of its network, at an address of that node': (router) => ({
    find: async (target, options) => Contact.of((await router.find(target, options)).id, [Address.of('10.9.9.9', 9)])
  }),
  'finds many nodes at a time': (router) => {
    let busy = false
    return {
      find: async (target, options) => {
        if (busy) failing('ERR_LIMIT')()
        busy = true
        return router.find(target, options).finally(() => (busy = false))
      }
    }
  },
  'asks whom it knows in hop 1, and counts the answers that led to its target': (router) =>
    onDone(router, (done) => ({ ...done, hops: 0 })),
  'tells each step, `done` last and once, of look-ups that find': (router) =>
    mapped(
      router,
      rx.mergeMap((step) => (step.type === 'done' ? [step, step] : [step]))
    ),
  'tells each step of a look-up that does not find, and who is nearest': (router) =>
    onDone(router, (done) => ({ ...done, closest: [...done.closest].reverse() })),
  'rejects with ERR_NOT_FOUND for a node that is not there': (router) => ({
    find: (target, options) => router.find(target, options).catch(failing('ERR_CONNECT'))
  }),
  'neither asks nor finds itself': (router, self) => ({
    find: async (target, options) => (target === self.id ? self : router.find(target, options))
  }),
  'fails with ERR_INVALID_INPUT for what is no node id': (router) => ({
    find: (target, options) => router.find(target, options).catch(failing('ERR_NOT_FOUND'))
  }),
  'looks up once for each subscription, and not before': (router) => mapped(router, rx.shareReplay()),
  'names its attempt in the events of a look-up': (router) => ({ find$: (target) => router.find$(target) }),
  'says which nodes did not answer, and goes on without them': (router) =>
    mapped(
      router,
      rx.filter(({ type }) => type !== 'failed')
    ),
  'asks nobody once its last listener is gone': undead,
  'can be left from within a step': undead,
  'starts nothing with a signal that is aborted': withoutSignal,
  'ends with the reason of its signal, and asks nobody after': (router) =>
    mapped(
      router,
      rx.catchError(() => rx.throwError(() => new AbortError()))
    ),
  'gives up joining with the reason of its signal': withoutSignal,
  'leaves nothing on a signal that outlives its look-ups': (router) => ({
    join: (seeds, options) => {
      options?.signal?.addEventListener('abort', () => undefined)
      return router.join(seeds, options)
    }
  }),
  'fails with ERR_ABORTED once its plugin has stopped, what is under way included': (router) =>
    mapped(
      router,
      rx.catchError(() => rx.EMPTY)
    )
}

function altered({ router, contact, ...node }: RouterNode, change: Change): RouterNode {
  return {
    ...node,
    contact,
    router: {
      find$: (target, options) => router.find$(target, options),
      find: (target, options) => router.find(target, options),
      closest: (target, count) => router.closest(target, count),
      get size() {
        return router.size
      },
      join: (seeds, options) => router.join(seeds, options),
      stats: () => router.stats(),
      ...change(router, contact)
    }
  }
}

describe('the suite for Router', () => {
  const suiteWith = (change: Change) =>
    testsOf((runner) => {
      routerConformance({
        name: 'a router',
        async create(count) {
          const network = await networkOf(count, overMemory())
          return { ...network, nodes: network.nodes.map((node) => altered(node, change)) }
        },
        ...runner
      })
    })
  const good = suiteWith(() => ({}))
  const titles = [...good.keys()]

  it('has a broken router for each of its tests', () => {
    expect(Object.keys(mutants)).to.deep.equal(titles)
  })

  it('takes one that is as it should be', async () => {
    for (const title of titles.filter((_, i) => i % 4 === 0)) {
      expect(await failureOf(good.get(title)), title).to.equal(undefined)
    }
  })

  for (const title of titles) {
    it(`refuses a broken one: ${title}`, async () => {
      expect(await failureOf(suiteWith(mutants[title]!).get(title))).to.be.instanceOf(Error)
    })
  }
})
