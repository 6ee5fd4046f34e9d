import assert from 'node:assert/strict'
import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { NodeId, RpcCode, type RpcError } from 'peerloom'
import { createApp } from '../src/app.js'
import { meeting, stuckCalculator } from './fixture.js'

const nobody = NodeId.fromBytes(new Uint8Array(32).fill(9))

test('an application has another one do the work, over QUIC', { timeout: 20_000 }, async (t) => {
  const alice = createApp({ node: { host: '127.0.0.1' } })
  t.after(() => alice.close())
  await alice.ready()
  const bob = createApp({ node: { host: '127.0.0.1', seeds: [alice.node.contact] } })
  t.after(() => bob.close())

  const answer = await bob.inject(`/peers/${alice.node.id}/square?value=12`)
  assert.equal(answer.statusCode, 200, answer.body)
  assert.deepEqual(answer.json(), { value: 144 })
})

test('what goes wrong has a status and a stable code', { timeout: 20_000 }, async (t) => {
  const { app, node } = meeting(t)
  const stuck = await node({ plugins: [stuckCalculator().plugin] })
  const idle = await node()
  const caller = await app({ node: { seeds: [stuck.contact, idle.contact] }, peers: { timeoutMs: 500 } })
  for (const [path, statusCode, code] of [
    ['/peers/nonsense/square?value=1', 400, 'ERR_INVALID_INPUT'],
    [`/peers/${idle.id}/square`, 400, 'FST_ERR_VALIDATION'],
    [`/peers/${nobody}/square?value=1`, 404, 'ERR_NOT_FOUND'],
    // It does not offer the method.
    [`/peers/${idle.id}/square?value=1`, 502, 'ERR_RPC'],
    [`/peers/${stuck.id}/square?value=1`, 504, 'ERR_RPC_TIMEOUT']
  ] as const) {
    const answer = await caller.inject(path)
    assert.equal(answer.statusCode, statusCode, `${path}: ${answer.body}`)
    assert.equal(answer.json<{ code: string }>().code, code, path)
  }
  await caller.node.stop()
  const answer = await caller.inject(`/peers/${idle.id}/square?value=1`)
  assert.equal(answer.statusCode, 503, answer.body)
  assert.equal(answer.json<{ code: string }>().code, 'ERR_STATE')
})

test('a client that goes away cancels the call on the other node', { timeout: 20_000 }, async (t) => {
  const { app, node } = meeting(t)
  const { plugin, called, cancelled } = stuckCalculator()
  const stuck = await node({ plugins: [plugin] })
  const caller = await app({ node: { seeds: [stuck.contact] } })
  await caller.listen({ port: 0, host: '127.0.0.1' })
  const { port } = caller.server.address() as AddressInfo

  const request = get({ host: '127.0.0.1', port, path: `/peers/${stuck.id}/square?value=1` })
  request.on('error', () => undefined)
  await called
  request.destroy()
  // A call that takes too long ends as well.
  assert.equal(((await cancelled) as RpcError).rpcCode, RpcCode.CANCELLED)
})
