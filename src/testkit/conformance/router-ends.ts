import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { lastValueFrom, take, toArray } from 'rxjs'
import { PeerloomError } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { queriesOf } from './router-find.js'
import { nobody, stepsOf, watch, type RouterNode, type RouterSuite } from './router.js'

type Three = readonly [RouterNode, RouterNode, RouterNode]

/** Longer than a look-up takes among a few nodes. */
const A_WHILE_MS = 200

/** Look-ups that are given up, and nodes that stop. */
export function routerEndTests({ routerTest, joinedTest }: RouterSuite): void {
  joinedTest('asks nobody once its last listener is gone', 6, async (nodes, time) => {
    const [node] = nodes as Three
    const queries = queriesOf(node, 'left')
    const { steps, stop } = watch(node.router.find$(nobody, { attempt: 'left' }))
    stop()
    const before = { queries: queries.count, told: steps.length }
    await time.sleep(A_WHILE_MS)
    assert.deepEqual({ queries: queries.count, told: steps.length }, before)
    const all = (await stepsOf(node.router.find$(nobody))).filter(({ type }) => type === 'query')
    assert.ok(all.length > before.queries, 'there was nobody left to ask')
  })

  joinedTest('can be left from within a step', 6, async (nodes, time) => {
    const [node] = nodes as Three
    const queries = queriesOf(node, 'left')
    const steps$ = node.router.find$(nobody, { attempt: 'left' })
    const steps = await lastValueFrom(steps$.pipe(take(1), toArray()))
    await time.sleep(A_WHILE_MS)
    assert.deepEqual(
      steps.map(({ type }) => type),
      ['query']
    )
    assert.ok(queries.count < nodes.length - 1)
  })

  joinedTest('starts nothing with a signal that is aborted', 4, async (nodes, time) => {
    const [node, other] = nodes as Three
    const queries = queriesOf(node, 'never')
    const reason = new PeerloomError('ACME_ENOUGH', 'enough')
    const options = { signal: AbortSignal.abort(reason), attempt: 'never' }
    const { steps, end } = watch(node.router.find$(nobody, options))
    assert.equal(await end, reason)
    assert.deepEqual(steps, [])
    await assert.rejects(node.router.find(other.contact.id, options), reason)
    await assert.rejects(node.router.join([other.contact], options), reason)
    await time.sleep(A_WHILE_MS)
    assert.equal(queries.count, 0)
  })

  joinedTest('ends with the reason of its signal, and asks nobody after', 6, async (nodes, time) => {
    const [node] = nodes as Three
    const queries = queriesOf(node, 'cancelled')
    const controller = new AbortController()
    const options = { signal: controller.signal, attempt: 'cancelled' }
    const { steps, end } = watch(node.router.find$(nobody, options))
    const find = assert.rejects(node.router.find(nobody, options), failsWith('ERR_ABORTED'))
    await queries.asked
    const cause = new Error('enough')
    controller.abort(cause)
    const before = queries.count
    failsWith('ERR_ABORTED', { cause })(await end)
    await find
    await time.sleep(A_WHILE_MS)
    assert.equal(queries.count, before)
    assert.ok(steps.every(({ type }) => type !== 'done'))
    assert.deepEqual(getEventListeners(controller.signal, 'abort'), [])
  })

  routerTest('gives up joining with the reason of its signal', 2, async (nodes) => {
    const [node, seed] = nodes as Three
    const controller = new AbortController()
    const joining = assert.rejects(
      node.router.join([seed.contact], { signal: controller.signal }),
      failsWith('ERR_ABORTED')
    )
    controller.abort()
    await joining
  })

  joinedTest('leaves nothing on a signal that outlives its look-ups', 3, async (nodes) => {
    const [node, other] = nodes as Three
    const { signal } = new AbortController()
    await stepsOf(node.router.find$(nobody, { signal }))
    await node.router.find(other.contact.id, { signal })
    await node.router.join([other.contact], { signal })
    watch(node.router.find$(nobody, { signal })).stop()
    assert.deepEqual(getEventListeners(signal, 'abort'), [])
  })

  joinedTest('fails with ERR_ABORTED once its plugin has stopped, what is under way included', 6, async (nodes) => {
    const [node, other] = nodes as Three
    const queries = queriesOf(node, 'stopped')
    const { end } = watch(node.router.find$(nobody, { attempt: 'stopped' }))
    const find = assert.rejects(node.router.find(nobody), failsWith('ERR_ABORTED'))
    await queries.asked
    await node.stop()
    failsWith('ERR_ABORTED')(await end)
    await find
    failsWith('ERR_ABORTED')(await watch(node.router.find$(nobody)).end)
    await assert.rejects(() => node.router.find(nobody), failsWith('ERR_ABORTED'))
    await assert.rejects(() => node.router.join([other.contact]), failsWith('ERR_ABORTED'))
  })
}
