import { meeting, start } from './fixture.js'
import { Injectable, Module, Scope } from '@nestjs/common'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { KernelError, LifecycleError, Node, PeerloomError, Records, Router, RpcRegistry, unary } from 'peerloom'
import { InjectContract, PeerloomModule, RpcHandler } from '../src/peerloom/index.js'

const pingApi = { ping: unary<null, string>() }

test('the node runs from before its injection until the application is closed', { timeout: 20_000 }, async (t) => {
  @Injectable()
  class Pong {
    readonly idAtConstruction: string

    constructor(node: Node) {
      this.idAtConstruction = node.id
    }

    @RpcHandler(pingApi, 'ping')
    ping(): string {
      return 'pong'
    }
  }
  const options = meeting()()
  @Module({
    imports: [PeerloomModule.forRootAsync({ useFactory: () => Promise.resolve(options) })],
    providers: [Pong]
  })
  class App {}
  const app = await start(t, App)
  const node = app.get(Node)
  const { id } = node
  assert.equal(app.get(Pong).idAtConstruction, id)
  const offered = (): string[] =>
    node.kernel.resolve(RpcRegistry).methods.map(({ name, plugin }) => `${plugin} ${name}`)
  assert(offered().includes('nest-handlers ping'))

  await app.close()
  assert.throws(offered, { code: 'ERR_STATE' })
  await assert.rejects(node.connect(id), { code: 'ERR_STATE' })
})

test('a node that cannot start fails the start of the application', { timeout: 20_000 }, async (t) => {
  const taken = createSocket('udp4').bind(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address()
  await assert.rejects(start(t, PeerloomModule.forRoot({ host: '127.0.0.1', port })), (error) => {
    assert(error instanceof LifecycleError)
    assert.equal(error.code, 'ERR_START')
    assert.equal((error.cause as PeerloomError).code, 'ERR_SOCKET')
    return true
  })
})

test('a contract that no plugin provides fails the start', { timeout: 20_000 }, async (t) => {
  @Module({ imports: [PeerloomModule.forRoot(meeting()()), PeerloomModule.forContracts(Records)] })
  class App {}
  await assert.rejects(start(t, App), { code: 'ERR_GRAPH', message: /Records/ })
})

test('two handlers of one name fail the start', { timeout: 20_000 }, async (t) => {
  class One {
    @RpcHandler(pingApi, 'ping')
    ping(): string {
      return 'pong'
    }
  }
  class Two extends One {}
  @Module({ imports: [PeerloomModule.forRoot(meeting()())], providers: [One, Two] })
  class App {}
  await assert.rejects(start(t, App), (error: LifecycleError) => {
    assert.equal(error.code, 'ERR_START')
    assert.equal((error.cause as PeerloomError).code, 'ERR_INVALID_INPUT')
    return true
  })
})

for (const scope of [Scope.REQUEST, Scope.TRANSIENT]) {
  test(`a handler on a provider of scope ${Scope[scope]} fails the start`, { timeout: 20_000 }, async (t) => {
    @Injectable({ scope })
    class Fleeting {
      @RpcHandler(pingApi, 'ping')
      ping(): string {
        return 'pong'
      }
    }
    @Module({ imports: [PeerloomModule.forRoot(meeting()())], providers: [Fleeting] })
    class App {}
    await assert.rejects(start(t, App), (error) => {
      assert(error instanceof KernelError)
      assert.match(error.message, /Fleeting\.ping: the provider must be a singleton/)
      return true
    })
  })
}

test('nothing keeps the process alive after close', { timeout: 20_000 }, async () => {
  const program = `
    import 'reflect-metadata'
    import { NestFactory } from '@nestjs/core'
    import { AppModule } from ${JSON.stringify(new URL('../src/app.module.js', import.meta.url).href)}
    const app = await NestFactory.create(AppModule.with({ host: '127.0.0.1' }), { logger: false })
    await app.listen(0, '127.0.0.1')
    await app.close()
    console.log('closed')`
  const running = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 15_000 })
  assert.equal((await running).stdout, 'closed\n')
})

test('mistakes of type do not compile', () => {
  class Mistakes {
    // @ts-expect-error -- the parameter is not what the token stands for
    constructor(@InjectContract(Router) readonly router: Records) {}

    // @ts-expect-error -- the API promises a string
    @RpcHandler(pingApi, 'ping')
    ping(): number {
      return 1
    }

    // @ts-expect-error -- the API has no such method
    @RpcHandler(pingApi, 'pong')
    pong(): string {
      return 'pong'
    }
  }
  assert(Mistakes)
})
