import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { definePlugin, LifecycleError, PeerloomError } from 'peerloom'
import { createApp } from '../src/app.js'
import { pinoLogger } from '../src/pino-logger.js'
import { meeting } from './fixture.js'

test('a node that cannot start fails the boot, and closing is clean', { timeout: 20_000 }, async (t) => {
  const taken = createSocket('udp4').bind(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const app = createApp({ node: { host: '127.0.0.1', port: taken.address().port } })
  await assert.rejects(
    async () => await app.ready(),
    (error) => {
      assert(error instanceof LifecycleError)
      assert.equal(error.code, 'ERR_START')
      assert.equal((error.cause as PeerloomError).code, 'ERR_SOCKET')
      return true
    }
  )
  await app.close()
})

test('the node does not start when another plugin fails the boot', { timeout: 20_000 }, async (t) => {
  const app = createApp({ node: { host: '127.0.0.1' } })
  t.after(() => app.close())
  app.register(() => Promise.reject(new Error('no database')))
  await assert.rejects(async () => await app.ready(), /no database/)
  assert.equal(app.node.kernel.state, 'idle')
})

test('the node stops on close when the boot fails after its start', { timeout: 20_000 }, async () => {
  const app = createApp({ node: { host: '127.0.0.1' } })
  app.register(async (fastify) => {
    fastify.addHook('onReady', () => Promise.reject(new Error('no database')))
  })
  await assert.rejects(async () => await app.ready(), /no database/)
  assert.equal(app.node.kernel.state, 'started')
  await app.close()
  assert.equal(app.node.kernel.state, 'idle')
})

test('close gives up a start for which Fastify no longer waits', { timeout: 20_000 }, async () => {
  const stuck = definePlugin({ name: 'stuck', start: () => new Promise<never>(() => undefined) })
  const app = createApp({ fastify: { pluginTimeout: 500 }, node: { host: '127.0.0.1', plugins: [stuck] } })
  await assert.rejects(async () => await app.ready(), { code: 'FST_ERR_HOOK_TIMEOUT' })
  assert.equal(app.node.kernel.state, 'starting')
  await app.close()
  assert.equal(app.node.kernel.state, 'idle')
})

test('health tells whether the node runs', { timeout: 20_000 }, async (t) => {
  const app = await meeting(t).app()
  assert.equal((await app.inject('/health/ready')).statusCode, 200)
  assert.equal((await app.inject('/health/live')).statusCode, 200)
  await app.node.stop()
  assert.equal((await app.inject('/health/ready')).statusCode, 503)
  assert.equal((await app.inject('/health/live')).statusCode, 200)
})

test('nothing keeps the process alive after close', { timeout: 20_000 }, async () => {
  const program = `
    import { createApp } from ${JSON.stringify(new URL('../src/app.js', import.meta.url).href)}
    const app = createApp({ node: { host: '127.0.0.1' } })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await app.close()
    console.log('closed')`
  const running = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 15_000 })
  assert.equal((await running).stdout, 'closed\n')
})

test('an error that Peerloom logs arrives as one in pino', () => {
  const lines: string[] = []
  const stream = { write: (line: string) => void lines.push(line) }
  const { log } = createApp({ fastify: { logger: { level: 'debug', stream } } })
  pinoLogger(log).warn('udp: a receiver threw', new PeerloomError('ERR_SOCKET', 'gone'), 7)
  const { msg, err, details } = JSON.parse(lines.join()) as {
    msg: string
    err: { code: string; message: string }
    details: unknown[]
  }
  assert.equal(msg, 'udp: a receiver threw')
  assert.equal(err.code, 'ERR_SOCKET')
  assert.equal(err.message, 'gone')
  assert.deepEqual(details, [7])
})
