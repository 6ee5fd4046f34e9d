import { expect } from 'chai'
import { createKernel, definePlugin, DeadlineError, PeerloomError, type EventMap } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { telemetry } from '#src/plugins/telemetry/index.js'
import { VirtualClock } from '#src/testkit/index.js'

const peer = NodeId.fromBytes(new Uint8Array(32).fill(3))

/** The lines that telemetry writes when a plugin emits these events. */
async function linesOf(
  options: { format: 'readable' | 'json'; only?: string[] },
  ...events: { [T in keyof EventMap]: [T, EventMap[T]] }[keyof EventMap][]
): Promise<string[]> {
  const lines: string[] = []
  const emitter = definePlugin({
    name: 'emitter',
    start(_, ctx) {
      for (const [type, details] of events) ctx.events.emit(type, details, { attempt: 'a1' })
    }
  })
  const write = (line: string): void => void lines.push(line)
  const kernel = createKernel({
    clock: new VirtualClock(),
    plugins: [telemetry.with({ only: ['dial.'], ...options, write }), emitter]
  })
  await kernel.start()
  await kernel.stop()
  return lines
}

describe('telemetry', () => {
  it('writes an event as a line for a person', async () => {
    const [line] = await linesOf({ format: 'readable' }, [
      'dial.started',
      { peer, address: { host: '::1', port: 4433 } }
    ])
    expect(line).to.equal(`00:00:00.000 dial.started       peer=${peer.slice(0, 9)} address=[::1]:4433 #a1`)
  })

  it('writes an event as a line of JSON, errors with code and causes but no stack', async () => {
    const error = new PeerloomError('ERR_DIAL', 'nobody answers', { cause: new DeadlineError('too late') })
    const address = { host: '10.0.0.1', port: 1 }
    const [line] = await linesOf({ format: 'json' }, ['dial.failed', { peer, address, code: 'ERR_DIAL', error, ms: 5 }])
    expect(JSON.parse(line!)).to.deep.equal({
      type: 'dial.failed',
      time: Date.UTC(2026, 0, 1),
      plugin: 'emitter',
      attempt: 'a1',
      peer,
      address,
      code: 'ERR_DIAL',
      ms: 5,
      error: { code: 'ERR_DIAL', message: 'nobody answers', cause: { code: 'ERR_DEADLINE', message: 'too late' } }
    })
  })

  it('keeps control characters of others off the terminal, and bounds a line', async () => {
    const message = `\u001b[2J\n${'x'.repeat(10_000)}`
    for (const format of ['readable', 'json'] as const) {
      const [line] = await linesOf({ format, only: ['node.warning'] }, ['node.warning', { message }])
      expect(line).not.to.match(/[\u0000-\u001f]/)
      expect(line!.length).to.be.lessThan(5_000)
      if (format === 'json') expect(JSON.parse(line!)).to.include({ type: 'node.warning' })
    }
  })

  it('writes only what is asked for, and everything unless something is', async () => {
    expect(await linesOf({ format: 'json', only: ['connection.'] }, ['node.warning', { message: '' }])).to.deep.equal(
      []
    )
    const all: string[] = []
    const kernel = createKernel({ plugins: [telemetry.with({ write: (line) => all.push(line) })] })
    await kernel.start()
    await kernel.stop()
    expect(all.map((line) => line.split(' ')[1])).to.deep.equal(['plugin.started', 'kernel.started', 'kernel.stopping'])
  })

  it('survives what cannot be written', async () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const lines = await linesOf(
      { format: 'json' },
      ['dial.failed', { peer, address: circular as never, code: '', error: 1n, ms: 0 }],
      ['dial.started', { peer, address: { host: '::1', port: 1 } }]
    )
    expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).to.deep.equal([
      'dial.failed',
      'dial.started'
    ])
  })
})
