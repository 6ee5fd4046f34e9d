import assert from 'node:assert/strict'
import { Path, type Connection, type Datagrams, type PathChange } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { failsWith } from './fails-with.js'
import type { TestRunner } from './runner.js'
import { RebindingSocket, TestCarrier } from './test-carrier.js'
import { inTime, type TestTime, type Timed } from './timed.js'
import { connect, echo, nextConnection, pattern, readAll, type TransportEnd } from './transport.js'

/** One node of a pair, with the sockets that its transport goes over. */
export interface PathsEnd extends TransportEnd {
  readonly datagrams: Datagrams
}

/** Two nodes that can reach each other, each with a plugin that keeps paths. */
export interface PathsPair extends Timed {
  readonly a: PathsEnd
  readonly b: PathsEnd
  /** An address at which nobody answers. */
  readonly nowhere: Address
}

export interface TransportPathsConformanceOptions extends TestRunner {
  readonly name: string
  /** Makes a fresh pair; it is asked for before each test. */
  readonly createPair: () => Promise<PathsPair>
}

interface Scene extends PathsPair {
  readonly time: TestTime
  readonly outbound: Connection
  readonly inbound: Connection
}

/** Moves while calls are made: between three paths, so that none is only there and back. */
const MANY_MOVES = 20
const CALLERS = 3
const CALL_BYTES = 5_000
const REBINDINGS = 5

/**
 * Registers a test for each promise that the Transport contract makes of paths, for transports that have several, with a
 * plugin that fulfils Paths.
 */
export function transportPathsConformance({ name, createPair, describe, it }: TransportPathsConformanceOptions): void {
  const test = (title: string, body: (scene: Scene) => Promise<void>): void => {
    it(title, async () => {
      await inTime(await createPair(), async (pair, time) => {
        const connected = await connect(pair)
        for (const each of Object.values(connected))
          each.onStream = (stream) => void echo(stream).catch(() => undefined)
        await body({ ...pair, ...connected, time })
      })
    })
  }

  describe(`${name} moves connections between paths`, () => {
    test('says what path a connection takes', async ({ a, b, outbound, inbound }) => {
      assert.deepEqual(plain(outbound.path), plain({ local: a.datagrams.primary.local, remote: b.address }))
      assert.deepEqual(plain(inbound.path), plain({ local: b.datagrams.primary.local, remote: a.address }))
      for (const connection of [outbound, inbound]) {
        assert.deepEqual(connection.paths.map(plain), [plain(connection.path)])
        assert.equal(connection.remote, connection.path.remote)
        assert.ok(connection.stats().pathsLeft > 0)
      }
      await callOver(outbound)
    })

    test('probes the address in use, from either side', async ({ a, b, outbound, inbound }) => {
      assert.deepEqual(plain(await outbound.probe(b.address)), plain(outbound.path))
      assert.deepEqual(plain(await inbound.probe(a.address)), plain(inbound.path))
    })

    test('proves a path from another socket, to both sides, and stays where it is', async (scene) => {
      const { a, b, outbound, inbound, time } = scene
      const second = await a.datagrams.open()
      a.transport.carry(second)
      const before = outbound.path
      const path = await outbound.probe(b.address, { via: second })
      assert.deepEqual(plain(path), plain({ local: second.local, remote: b.address }))
      assert.deepEqual(plain(outbound.path), plain(before))
      assert.deepEqual(outbound.paths.map(plain), [before, path].map(plain))
      await time.until(() => inbound.paths.length === 2)
      assert.deepEqual(
        inbound.paths.map(({ remote }) => remote.port),
        [a.address.port, second.local.port]
      )
    })

    test('rejects a probe that nothing answers with ERR_PATH, in time, and goes on', async ({
      nowhere,
      outbound,
      time
    }) => {
      const begun = time.clock.monotonic()
      await assert.rejects(outbound.probe(nowhere, { timeoutMs: 200 }), failsWith('ERR_PATH'))
      assert.ok(time.clock.monotonic() - begun >= 200)
      assert.equal(outbound.paths.length, 1)
      await callOver(outbound)
    })

    test('rejects a probe to where none can go with ERR_PATH', async ({ a, b, outbound }) => {
      const stranger = await a.datagrams.open()
      await assert.rejects(outbound.probe(b.address, { via: stranger }), failsWith('ERR_PATH'))
      await assert.rejects(outbound.probe({ host: 'peer.example', port: 1 }), failsWith('ERR_PATH'))
      await assert.rejects(outbound.migrate({ local: stranger.local, remote: b.address }), failsWith('ERR_PATH'))
      await callOver(outbound)
    })

    test('rejects a probe that its signal cancels, or whose connection ends', async ({ nowhere, outbound }) => {
      const aborted = outbound.probe(nowhere, { signal: AbortSignal.abort() })
      await assert.rejects(aborted, failsWith('ERR_ABORTED'))
      const controller = new AbortController()
      const cancelled = outbound.probe(nowhere, { signal: controller.signal })
      controller.abort()
      await assert.rejects(cancelled, failsWith('ERR_ABORTED'))
      const ended = assert.rejects(outbound.probe(nowhere), failsWith('ERR_CONNECTION_CLOSED'))
      outbound.close()
      await ended
      await assert.rejects(outbound.probe(nowhere), failsWith('ERR_CONNECTION_CLOSED'))
      await assert.rejects(outbound.migrate(outbound.path), failsWith('ERR_CONNECTION_CLOSED'))
    })

    test('moves to another socket of the dialler', async (scene) => {
      const { a, b, outbound, inbound } = scene
      const second = await a.datagrams.open()
      a.transport.carry(second)
      const path = await outbound.probe(b.address, { via: second })
      await outbound.migrate(path)
      assert.deepEqual(plain(outbound.path), plain(path))
      assert.equal(inbound.remote.port, second.local.port)
      assert.deepEqual(plain(outbound.paths[0]), plain(path))
      for (const connection of [outbound, inbound]) await callOver(connection)
      await outbound.migrate(path)
      assert.deepEqual(plain(outbound.path), plain(path))
    })

    test('moves at the wish of the accepting side', async ({ a, b, outbound, inbound }) => {
      const second = await b.datagrams.open()
      b.transport.carry(second)
      const path = await inbound.probe(a.address, { via: second })
      await inbound.migrate(path)
      assert.deepEqual(plain(inbound.path), plain(path))
      assert.equal(outbound.remote.port, second.local.port)
      for (const connection of [outbound, inbound]) await callOver(connection)
    })

    test('stays where it is when nothing answers where it is to go', async (scene) => {
      const { outbound, inbound } = scene
      const { near, far } = carriers(scene)
      near.cut()
      const before = [outbound.path, inbound.path]
      await assert.rejects(outbound.migrate({ local: near.local, remote: far.local }), failsWith('ERR_PATH'))
      await assert.rejects(inbound.migrate({ local: far.local, remote: near.local }), failsWith('ERR_PATH'))
      assert.deepEqual([outbound.path, inbound.path].map(plain), before.map(plain))
      await callOver(outbound)
    })

    test('goes over a carrier with made-up addresses, and back', async (scene) => {
      const { outbound, inbound } = scene
      const { near, far } = carriers(scene)
      const direct = outbound.path
      const path = await outbound.probe(far.local, { via: near })
      assert.deepEqual(plain(path), plain({ local: near.local, remote: far.local }))
      await outbound.migrate(path)
      assert.deepEqual(plain(inbound.path), plain({ local: far.local, remote: near.local }))
      await callOver(inbound)
      await outbound.migrate(direct)
      assert.deepEqual(plain(outbound.path), plain(direct))
      await callOver(inbound)
    })

    test('is made over a carrier, and moves away from it', async (scene) => {
      const { a, b } = scene
      const { near, far } = carriers(scene)
      const accepted = nextConnection(b.transport)
      const outbound = await a.transport.dial(b.id, far.local, { via: near })
      const inbound = await accepted
      inbound.onStream = (stream) => void echo(stream).catch(() => undefined)
      assert.deepEqual(plain(outbound.path), plain({ local: near.local, remote: far.local }))
      assert.deepEqual(plain(inbound.path), plain({ local: far.local, remote: near.local }))
      await callOver(outbound)
      await outbound.migrate(await outbound.probe(b.address))
      assert.deepEqual(plain(inbound.remote), plain(a.address))
      near.cut()
      await callOver(outbound)
    })

    test('is not made over a socket that is not carried', async ({ a, b }) => {
      const second = await a.datagrams.open()
      await assert.rejects(a.transport.dial(b.id, b.address, { via: second }), failsWith('ERR_DIAL'))
    })

    test('carries a socket once', async ({ a }) => {
      const second = await a.datagrams.open()
      const letGo = a.transport.carry(second)
      assert.throws(() => a.transport.carry(second), failsWith('ERR_STATE'))
      assert.throws(() => a.transport.carry(a.datagrams.primary), failsWith('ERR_STATE'))
      letGo()
      letGo()
      a.transport.carry(second)()
    })

    test('loses nothing while it moves many times', async (scene) => {
      const { a, b, outbound, inbound } = scene
      const { near, far } = carriers(scene)
      const second = await a.datagrams.open()
      a.transport.carry(second)
      const paths = [
        await outbound.probe(b.address, { via: second }),
        await outbound.probe(far.local, { via: near }),
        outbound.path
      ]
      let isMoving = true
      const calls = Array.from({ length: CALLERS }, async (_, i) => {
        let count = 0
        for (; isMoving; count++) await callOver(i % 2 === 0 ? outbound : inbound, CALL_BYTES)
        return count
      })
      const moves = async (): Promise<void> => {
        for (let i = 0; i < MANY_MOVES; i++) {
          const path = paths[i % paths.length] as Path
          await outbound.migrate(path)
          assert.deepEqual(plain(outbound.path), plain(path))
        }
      }
      await moves().finally(() => (isMoving = false))
      for (const count of await Promise.all(calls)) assert.ok(count > 0)
      assert.equal(outbound.closeInfo ?? inbound.closeInfo, undefined)
    })

    for (const side of ['outbound', 'inbound'] as const) {
      test(`returns to a path that works when the one in use dies, if ${side === 'outbound' ? 'the dialler' : 'the other side'} finds out`, async (scene) => {
        const { outbound } = scene
        const { near, far } = carriers(scene)
        const direct = outbound.path
        await outbound.migrate(await outbound.probe(far.local, { via: near }))
        await callOver(scene[side])
        near.cut()
        await callOver(scene[side])
        assert.deepEqual(plain(outbound.path), plain(direct))
        await scene.time.until(() => scene.inbound.paths.length === 1 && outbound.paths.length === 1)
      })

      test(`moves when ${side === 'outbound' ? 'the dialler' : 'the other side'} lets go of the carrier in use`, async (scene) => {
        const { outbound, inbound } = scene
        const { near, far, letGo } = carriers(scene)
        const direct = outbound.path
        await outbound.migrate(await outbound.probe(far.local, { via: near }))
        letGo[side]()
        await scene.time.until(
          () =>
            Path.equals(outbound.path, direct) && !Path.equals(inbound.path, { local: far.local, remote: near.local })
        )
        for (const connection of [outbound, inbound]) await callOver(connection)
        assert.ok(
          scene[side].paths.every(({ local }) => !Address.equals(local, side === 'outbound' ? near.local : far.local))
        )
      })
    }

    test('moves when the socket on which it was made is let go, and it knows no other path', async ({ a, b, time }) => {
      const second = await a.datagrams.open()
      const letGo = a.transport.carry(second)
      const accepted = nextConnection(b.transport)
      const outbound = await a.transport.dial(b.id, b.address, { via: second })
      const inbound = await accepted
      inbound.onStream = (stream) => void echo(stream).catch(() => undefined)
      await callOver(outbound)
      letGo()
      await time.until(() => Address.equals(inbound.remote, a.address))
      assert.deepEqual(plain(outbound.path.local), plain(a.datagrams.primary.local))
      await callOver(outbound)
    })

    test('follows the dialler whose NAT gives it another address again and again', async ({ a, b, time }) => {
      const socket = new RebindingSocket(await a.datagrams.open())
      a.transport.carry(socket)
      const accepted = nextConnection(b.transport)
      const outbound = await a.transport.dial(b.id, b.address, { via: socket })
      const inbound = await accepted
      inbound.onStream = (stream) => void echo(stream).catch(() => undefined)
      const before = outbound.path
      for (let i = 0; i < REBINDINGS; i++) {
        const mapping = await a.datagrams.open()
        socket.rebind(mapping)
        await callOver(outbound, CALL_BYTES)
        await time.until(() => inbound.remote.port === mapping.local.port)
        assert.deepEqual(plain(outbound.path), plain(before))
      }
    })

    test('tells what becomes of paths, until the connection ends', async (scene) => {
      const { outbound, inbound, time } = scene
      const stories = [outbound, inbound].map((connection) => {
        const story: PathChange[] = []
        let isOver = false
        connection.paths$.subscribe({ next: (change) => story.push(change), complete: () => (isOver = true) })
        return { story, isOver: () => isOver }
      })
      const { near, far, letGo } = carriers(scene)
      const direct = outbound.path
      const path = await outbound.probe(far.local, { via: near })
      await outbound.migrate(path)
      await outbound.migrate(direct)
      letGo.outbound()
      await time.until(() => stories.every(({ story }) => story.some(({ type }) => type === 'moved')))
      const told = (stories[0]?.story ?? []).map((change) => ({ type: change.type, path: plain(change.path) }))
      assert.deepEqual(told, [
        { type: 'proved', path: plain(path) },
        { type: 'moved', path: plain(path) },
        { type: 'moved', path: plain(direct) },
        { type: 'lost', path: plain(path) }
      ])
      outbound.close()
      await Promise.all([outbound.closed, inbound.closed])
      assert.ok(stories.every(({ isOver }) => isOver()))
    })
  })
}

/** A carrier between the two nodes, carried by both. */
function carriers({
  a,
  b,
  time
}: Scene): ReturnType<typeof TestCarrier.pair> & { letGo: Record<'outbound' | 'inbound', () => void> } {
  const ends = TestCarrier.pair(time.clock)
  return { ...ends, letGo: { outbound: a.transport.carry(ends.near), inbound: b.transport.carry(ends.far) } }
}

/** Sends bytes over a stream of its own, and waits until all of them have come back. */
async function callOver(connection: Connection, bytes = 1_000): Promise<void> {
  const sent = pattern(bytes)
  const stream = await connection.open()
  stream.end(sent)
  assert.ok((await readAll(stream)).equals(sent), 'what came back is not what was sent')
}

/** A value without its class, to compare. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
