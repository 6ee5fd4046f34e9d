import assert from 'node:assert/strict'
import { filter, firstValueFrom } from 'rxjs'
import { ofType, type FindResult, type FindStep } from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import { failsWith } from './fails-with.js'
import { assertNearestFirst, idsOf, nobody, stepsOf, watch, type RouterNode, type RouterSuite } from './router.js'

type Three = readonly [RouterNode, RouterNode, RouterNode]

/** Look-ups: what they find, and what they tell. */
export function routerFindTests({ routerTest, joinedTest }: RouterSuite): void {
  joinedTest('finds every node of its network, at an address of that node', 6, async (nodes) => {
    for (const { router } of nodes) {
      for (const { contact } of nodes.filter((node) => node.router !== router)) {
        const found = await router.find(contact.id)
        assert.equal(found.id, contact.id)
        const [address] = contact.addresses
        assert.ok(address && found.addresses.some((each) => Address.equals(each, address)))
      }
    }
  })

  joinedTest('finds many nodes at a time', 6, async (nodes) => {
    const ids = idsOf(nodes.map(({ contact }) => contact))
    const finds = nodes.flatMap(({ router, contact }) =>
      ids.filter((id) => id !== contact.id).map(async (id) => assert.equal((await router.find(id)).id, id))
    )
    await Promise.all(finds)
  })

  routerTest('asks whom it knows in hop 1, and counts the answers that led to its target', 3, async (nodes, time) => {
    const [asker, middle, target] = nodes as Three
    await asker.router.join([middle.contact])
    // Whatever a node does for itself after joining is done when it cannot learn of the target yet.
    await time.sleep(200)
    await middle.router.join([target.contact])
    const known = idsOf(asker.router.closest(nobody)).includes(target.contact.id)
    const steps = await stepsOf(asker.router.find$(target.contact.id))
    assertTold(asker, target.contact.id, steps)
    const { found, hops, contacted } = resultOf(steps)
    assert.deepEqual(
      { found, hops, contacted },
      { found: true, hops: known ? 0 : 1, contacted: known ? [] : [middle.contact.id] }
    )
  })

  joinedTest('tells each step, `done` last and once, of look-ups that find', 6, async (nodes) => {
    for (const node of nodes) {
      for (const { contact } of nodes.filter((other) => other !== node)) {
        const steps = await stepsOf(node.router.find$(contact.id))
        assertTold(node, contact.id, steps)
        assert.equal(resultOf(steps).found, true)
      }
    }
  })

  joinedTest('tells each step of a look-up that does not find, and who is nearest', 6, async (nodes) => {
    for (const node of nodes) {
      const steps = await stepsOf(node.router.find$(nobody))
      assertTold(node, nobody, steps)
      const { found, hops, contacted, closest } = resultOf(steps)
      assert.equal(found, false)
      assert.ok(hops >= 1)
      assert.equal(contacted.length, nodes.length - 1)
      assert.equal(closest.length, nodes.length - 1)
    }
  })

  joinedTest('rejects with ERR_NOT_FOUND for a node that is not there', 3, async (nodes) => {
    for (const { router } of nodes) await assert.rejects(() => router.find(nobody), failsWith('ERR_NOT_FOUND'))
  })

  joinedTest('neither asks nor finds itself', 4, async (nodes) => {
    for (const node of nodes) {
      const { id } = node.contact
      const steps = await stepsOf(node.router.find$(id))
      assertTold(node, id, steps)
      assert.equal(resultOf(steps).found, false)
      await assert.rejects(() => node.router.find(id), failsWith('ERR_NOT_FOUND'))
    }
  })

  joinedTest('fails with ERR_INVALID_INPUT for what is no node id', 2, async (nodes) => {
    const [{ router, contact }] = nodes as unknown as Three
    for (const target of ['', 'nonsense', contact.id.toUpperCase(), `${contact.id}x`] as NodeId[]) {
      await assert.rejects(() => router.find(target), failsWith('ERR_INVALID_INPUT'))
      failsWith('ERR_INVALID_INPUT')(await watch(router.find$(target)).end)
    }
  })

  joinedTest('looks up once for each subscription, and not before', 4, async (nodes, time) => {
    const [node] = nodes as Three
    const queries = queriesOf(node, 'cold')
    const steps$ = node.router.find$(nobody, { attempt: 'cold' })
    await time.sleep(50)
    assert.equal(queries.count, 0)
    const [first, second] = await Promise.all([stepsOf(steps$), stepsOf(steps$)])
    const third = await stepsOf(steps$)
    for (const steps of [first, second, third]) assertTold(node, nobody, steps)
    const asked = [first, second, third].map((steps) => resultOf(steps).contacted.length)
    assert.equal(
      queries.count,
      asked.reduce((sum, count) => sum + count, 0)
    )
  })

  joinedTest('names its attempt in the events of a look-up', 4, async (nodes) => {
    const [node] = nodes as Three
    const types: string[] = []
    node.events.subscribe(({ type, attempt }) => {
      if (attempt === 'mine' && type.startsWith('discovery.')) types.push(type)
    })
    const { contacted } = resultOf(await stepsOf(node.router.find$(nobody, { attempt: 'mine' })))
    assert.equal(types[0], 'discovery.started')
    assert.equal(types.at(-1), 'discovery.done')
    assert.equal(types.filter((type) => type === 'discovery.query').length, contacted.length)
  })

  joinedTest('says which nodes did not answer, and goes on without them', 5, async (nodes) => {
    const [node, other, dead] = nodes as Three
    await dead.stop()
    const steps = await stepsOf(node.router.find$(nobody))
    assertTold(node, nobody, steps)
    const failed = steps.flatMap((step) => (step.type === 'failed' ? [step] : []))
    assert.deepEqual(
      failed.map((step) => step.node),
      [dead.contact.id]
    )
    assert.ok(failed[0]?.error instanceof Error)
    assert.ok(!idsOf(resultOf(steps).closest).includes(dead.contact.id))
    assert.equal((await node.router.find(other.contact.id)).id, other.contact.id)
  })
}

/** How many nodes a node has asked in the look-ups of an attempt, as its events tell; `asked` resolves at the first. */
export function queriesOf(
  { events }: RouterNode,
  attempt: string
): { count: number; readonly asked: Promise<unknown> } {
  const mine = events.pipe(
    ofType('discovery.query'),
    filter((event) => event.attempt === attempt)
  )
  const queries = { count: 0, asked: firstValueFrom(mine, { defaultValue: undefined }) }
  mine.subscribe(() => queries.count++)
  return queries
}

export function resultOf(steps: readonly FindStep[]): FindResult {
  const last = steps.at(-1)
  assert.ok(last?.type === 'done', 'it ends without `done`')
  return last
}

/** Asserts what is true of the steps of every look-up that has ended. */
function assertTold({ contact: self }: RouterNode, target: NodeId, steps: readonly FindStep[]): void {
  const { found, hops, contacted, closest } = resultOf(steps)
  assert.equal(steps.filter(({ type }) => type === 'done').length, 1, '`done` comes more than once')

  /** In which hop each node was asked. */
  const asked = new Map<NodeId, number>()
  const heard = new Set<NodeId>()
  const answered = new Set<NodeId>()
  let answeredHop = 0
  for (const step of steps) {
    if (step.type === 'query') {
      assert.ok(!asked.has(step.node), 'a node is asked twice')
      assert.ok(step.hop >= 1 && step.hop <= answeredHop + 1, `hop ${step.hop} after answers of hop ${answeredHop}`)
      asked.set(step.node, step.hop)
    } else if (step.type === 'answer' || step.type === 'failed') {
      assert.ok(asked.has(step.node), 'an answer comes before its query')
      assert.ok(!heard.has(step.node), 'a node answers twice')
      heard.add(step.node)
    }
    if (step.type !== 'answer') continue
    assert.equal(step.hop, asked.get(step.node))
    assert.ok(step.ms >= 0)
    assert.ok(Number.isSafeInteger(step.contacts) && step.contacts >= 0)
    answered.add(step.node)
    answeredHop = Math.max(answeredHop, step.hop)
  }

  assert.deepEqual(contacted, [...asked.keys()])
  assert.ok(!asked.has(self.id), 'it asks itself')
  if (!found) assert.equal(heard.size, asked.size, 'it ends before all have answered')
  assert.ok(hops >= 0 && hops <= answeredHop, `${hops} hops by answers of hop ${answeredHop}`)
  assertNearestFirst(target, closest)
  assert.ok(
    closest.every(({ id }) => answered.has(id)),
    'one is among the closest who has not answered'
  )
  const contacts = steps.flatMap((step) => (step.type === 'contact' ? [step.contact.id] : []))
  assert.equal(contacts.length > 0, found)
  assert.ok(contacts.every((id) => id === target))
}
