import assert from 'node:assert/strict'
import type { Observable } from 'rxjs'
import type { FindStep, KernelEvent, Router } from '../../kernel/index.js'
import { NodeId, type Contact } from '../../model/index.js'
import { routerEndTests } from './router-ends.js'
import { routerFindTests } from './router-find.js'
import { routerJoinTests } from './router-join.js'
import type { TestRunner } from './runner.js'
import { inTime, type TestTime, type Timed } from './timed.js'

/** One node of a network. */
export interface RouterNode {
  readonly contact: Contact
  readonly router: Router
  /** The events of its kernel. */
  readonly events: Observable<KernelEvent>
  /** Stops the node, which then answers no more. A second call does nothing. */
  stop(): Promise<void>
}

/** Nodes that can reach each other, and know nothing of each other yet. */
export interface RouterNetwork extends Timed {
  readonly nodes: readonly RouterNode[]
}

export interface RouterConformanceOptions extends TestRunner {
  readonly name: string
  /**
   * Makes a fresh network of so many nodes; it is asked for before each test. A node that does not answer should be
   * given up within a second or so: it is waited for.
   */
  readonly create: (count: number) => Promise<RouterNetwork>
}

/** How a part of the suite registers its tests: each with a fresh network of so many nodes. */
export interface RouterSuite {
  readonly routerTest: (
    title: string,
    count: number,
    body: (nodes: readonly RouterNode[], time: TestTime) => Promise<void>
  ) => void
  /** The same, all nodes having joined by way of the first, which knows them. */
  readonly joinedTest: RouterSuite['routerTest']
}

/**
 * Registers a test for each promise of the Router contract.
 *
 * @example
 * routerConformance({ name: 'my-router', create: (count) => startNodes(count), describe, it })
 */
export function routerConformance({ name, create, describe, it }: RouterConformanceOptions): void {
  const routerTest: RouterSuite['routerTest'] = (title, count, body) => {
    it(title, async () => {
      await inTime(await create(count), ({ nodes }, time) => body(nodes, time))
    })
  }
  const joinedTest: RouterSuite['routerTest'] = (title, count, body) => {
    routerTest(title, count, async (nodes, time) => {
      const [first, ...others] = nodes as [RouterNode, ...RouterNode[]]
      for (const { router } of others) await router.join([first.contact])
      const known = (): NodeId[] => idsOf(first.router.closest(nobody))
      await time.until(() => others.every(({ contact }) => known().includes(contact.id)))
      await body(nodes, time)
    })
  }
  describe(`${name} fulfils Router`, () => {
    const suite = { routerTest, joinedTest }
    routerJoinTests(suite)
    routerFindTests(suite)
    routerEndTests(suite)
  })
}

/** The id of a node that does not exist. */
export const nobody = NodeId.fromBytes(new Uint8Array(32).fill(0xa5))

export const idsOf = (contacts: readonly { readonly id: NodeId }[]): NodeId[] => contacts.map(({ id }) => id)

/** Orders by XOR distance to a target (Kademlia §2.1). */
export function compareDistance(target: NodeId): (a: NodeId, b: NodeId) => number {
  const key = NodeId.toBytes(target)
  const distance = (id: NodeId): Uint8Array => NodeId.toBytes(id).map((byte, i) => byte ^ (key[i] as number))
  return (a, b) => Buffer.compare(distance(a), distance(b))
}

/** Asserts that contacts are ordered by distance and none is there twice. */
export function assertNearestFirst(target: NodeId, contacts: readonly Contact[]): void {
  const ids = idsOf(contacts)
  assert.deepEqual(ids, [...new Set(ids)].sort(compareDistance(target)))
}

/** The steps of a look-up up to its end, or its failure. */
export function watch(steps$: Observable<FindStep>): {
  readonly steps: FindStep[]
  readonly end: Promise<unknown>
  readonly stop: () => void
} {
  const steps: FindStep[] = []
  let stop = (): void => undefined
  const end = new Promise<unknown>((resolve) => {
    const subscription = steps$.subscribe({
      next: (step) => void steps.push(step),
      error: resolve,
      complete: () => {
        resolve(undefined)
      }
    })
    stop = () => {
      subscription.unsubscribe()
    }
  })
  return { steps, end, stop }
}

/** The steps of a look-up that does not fail. */
export async function stepsOf(steps$: Observable<FindStep>): Promise<FindStep[]> {
  const { steps, end } = watch(steps$)
  assert.equal(await end, undefined)
  return steps
}
