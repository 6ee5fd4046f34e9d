import { meeting, start } from './fixture.js'
import { Injectable, Module, Scope, type Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { definePlugin, LifecycleError, Node, PeerloomError, Records, RpcRegistry, unary } from 'peerloom'
import { PeerloomModule, RpcHandler } from '../src/peerloom/index.js'

const pingApi = { ping: unary<null, string>() }

test('the node runs from the bootstrap of the application until it is closed', { timeout: 20_000 }, async (t) => {
  @Injectable()
  class Pong {
    readonly states: string[]

    constructor(private readonly node: Node) {
      this.states = [node.kernel.state]
    }

    onModuleInit(): void {
      this.states.push(this.node.kernel.state)
    }

    onApplicationBootstrap(): void {
      this.states.push(this.node.kernel.state)
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
  assert.deepEqual(app.get(Pong).states, ['idle', 'idle', 'started'])
  const node = app.get(Node)
  const offered = (): string[] =>
    node.kernel.resolve(RpcRegistry).methods.map(({ name, plugin }) => `${plugin} ${name}`)
  assert(offered().includes('nest-handlers ping'))

  await app.close()
  assert.throws(offered, { code: 'ERR_STATE' })
  await assert.rejects(node.connect(node.id), { code: 'ERR_STATE' })
})

const noDatabase = new Error('no database')

/** An application with a node and a provider that is made by `fail`; also gives what becomes of the node. */
function failingApp(fail: () => object): { App: Type; state: () => string | undefined } {
  let node: Node | undefined
  const useFactory = (injected: Node): object => {
    node = injected
    return fail()
  }
  @Module({
    imports: [PeerloomModule.forRoot(meeting()())],
    providers: [{ provide: 'database', inject: [Node], useFactory }]
  })
  class App {}
  return { App, state: () => node?.kernel.state }
}

for (const [step, fail] of Object.entries({
  construction: () => Promise.reject(noDatabase),
  onModuleInit: () => ({ onModuleInit: () => Promise.reject(noDatabase) })
})) {
  test(`a provider that fails in its ${step} leaves no node running`, { timeout: 20_000 }, async () => {
    const { App, state } = failingApp(fail)
    // There may be nothing to close: the factory of the application is what rejects.
    const starting = NestFactory.create(App, { logger: false, abortOnError: false }).then((app) => app.init())
    await assert.rejects(starting, noDatabase)
    assert.equal(state(), 'idle')
  })
}

test('one that fails when the node runs leaves none once the application is closed', { timeout: 20_000 }, async (t) => {
  const { App, state } = failingApp(() => ({ onApplicationBootstrap: () => Promise.reject(noDatabase) }))
  const app = await NestFactory.create(App, { logger: false, abortOnError: false })
  t.after(() => app.close())
  await assert.rejects(app.init(), noDatabase)
  assert.equal(state(), 'started')
  await app.close()
  assert.equal(state(), 'idle')
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

test('a contract that nobody fulfils fails the start', { timeout: 20_000 }, async (t) => {
  const { plugins = [] } = meeting()()
  const archive = definePlugin({ name: 'archive', needs: { records: Records }, start: () => undefined })
  await assert.rejects(start(t, PeerloomModule.forRoot({ plugins: [...plugins, archive] })), {
    code: 'ERR_GRAPH',
    message: /Records/
  })
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
    await assert.rejects(start(t, App), ({ code, cause }: LifecycleError) => {
      assert.equal(code, 'ERR_START')
      assert.match((cause as PeerloomError).message, /Fleeting\.ping: the provider must be a singleton/)
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
