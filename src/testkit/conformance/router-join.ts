import assert from 'node:assert/strict'
import { NodeId } from '../../model/index.js'
import { failsWith } from './fails-with.js'
import { assertNearestFirst, idsOf, nobody, type RouterNode, type RouterSuite } from './router.js'

type Two = readonly [RouterNode, RouterNode]
type Three = readonly [RouterNode, RouterNode, RouterNode]

/** Joining, and what a node knows then. */
export function routerJoinTests({ routerTest, joinedTest }: RouterSuite): void {
  routerTest('knows nobody before it has joined', 1, async (nodes) => {
    const [{ router }] = nodes as [RouterNode]
    assert.equal(router.size, 0)
    assert.deepEqual(router.closest(nobody), [])
    assert.equal(router.stats().contacts, 0)
    await assert.rejects(() => router.find(nobody), failsWith('ERR_NOT_FOUND'))
  })

  routerTest('joins by way of seeds, says how many it knows, and becomes known', 4, async (nodes, time) => {
    const [seed, ...others] = nodes as [RouterNode, ...RouterNode[]]
    for (const { router } of others) {
      const count = await router.join([seed.contact])
      assert.ok(count >= 1)
      assert.ok(idsOf(router.closest(nobody)).includes(seed.contact.id))
    }
    const ids = idsOf(others.map(({ contact }) => contact))
    await time.until(() => ids.every((id) => idsOf(seed.router.closest(nobody)).includes(id)))
    assert.equal(await others[0]?.router.join([seed.contact]), others[0]?.router.size)
  })

  routerTest('joins by no seeds at all, and by itself, which is the same', 1, async (nodes) => {
    const [{ router, contact }] = nodes as [RouterNode]
    assert.equal(await router.join([]), 0)
    assert.equal(await router.join([contact]), 0)
  })

  routerTest('rejects with ERR_CONNECT if there are seeds and none answers', 2, async (nodes) => {
    const [node, dead] = nodes as Two
    await dead.stop()
    await assert.rejects(() => node.router.join([dead.contact]), failsWith('ERR_CONNECT'))
    await assert.rejects(() => node.router.join([node.contact, dead.contact]), failsWith('ERR_CONNECT'))
    assert.equal(node.router.size, 0)
  })

  routerTest('joins by whichever seed answers, and knows none that did not', 3, async (nodes) => {
    const [node, dead, alive] = nodes as Three
    await dead.stop()
    assert.equal(await node.router.join([dead.contact, alive.contact]), 1)
    assert.deepEqual(idsOf(node.router.closest(nobody)), [alive.contact.id])
  })

  routerTest('joins more than once at a time', 4, async (nodes) => {
    const [node, ...others] = nodes as [RouterNode, ...RouterNode[]]
    await Promise.all(others.map(({ contact }) => node.router.join([contact])))
    assert.equal(node.router.size, others.length)
  })

  joinedTest('gives the contacts nearest to a target, nearest first, without asking anyone', 8, async (nodes) => {
    const all = idsOf(nodes.map(({ contact }) => contact))
    for (const { router, contact } of nodes) {
      for (const target of [...all, nobody, NodeId.fromBytes(new Uint8Array(32))]) {
        const known = router.closest(target)
        assertNearestFirst(target, known)
        assert.ok(known.every(({ id }) => all.includes(id) && id !== contact.id))
        assert.equal(known.length, Math.min(router.size, 20))
        for (const count of [0, 1, 2, 100]) {
          assert.deepEqual(idsOf(router.closest(target, count)), idsOf(known).slice(0, count))
        }
      }
    }
    await Promise.resolve()
  })

  joinedTest('counts its contacts, and what it dropped', 3, async (nodes) => {
    for (const { router } of nodes) {
      const { contacts, dropped } = router.stats()
      assert.equal(contacts, router.size)
      assert.equal(router.closest(nobody).length, router.size)
      assert.ok(contacts > 0)
      for (const times of Object.values(dropped)) assert.ok(Number.isSafeInteger(times) && times >= 0)
    }
    await Promise.resolve()
  })
}
