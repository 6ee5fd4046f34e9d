import { expect } from 'chai'
import { MAX_CANDIDATES } from '#src/plugins/connection-pool/race.js'
import { Address } from '#src/model/index.js'
import { ConnectError, type DialStep } from '#src/kernel/index.js'
import { contact, larger, self, smaller, startPool, SWEEP } from './doubles.js'

const never = (): never => {
  throw new Error('it must not resolve')
}

/** A step in a word, for comparing. */
function word(step: DialStep): string {
  if (step.type === 'dialing') return `dialing ${step.address.host}`
  return step.type === 'failed' ? `failed ${step.failure.address.host} ${step.failure.code}` : 'connected'
}

describe('the race of addresses', () => {
  it('dials the next address every 250 ms while none answers, and the first to connect ends the others', async () => {
    const { clock, transport, pool, stop } = await startPool()
    transport.plans.set('192.0.2.3', { ms: 100 })
    const connection = await clock.until(pool.dial(contact(larger, '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4')))
    await clock.advance(0)
    expect(connection.remote.host).to.equal('192.0.2.3')
    expect(transport.log.filter((line) => !line.startsWith('!'))).to.deep.equal([
      '192.0.2.1@0',
      '192.0.2.2@250',
      '192.0.2.3@500'
    ])
    expect(transport.log).to.include.members(['!192.0.2.1@600', '!192.0.2.2@600'])
    expect(transport.underWay).to.equal(0)
    expect(clock.pending).to.equal(SWEEP)
    expect(pool.get(larger)).to.equal(connection)
    await stop()
  })

  it('goes on at once when one fails, and tells each step', async () => {
    const { clock, transport, pool, events, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 40, fails: 'ERR_DIAL' })
    transport.plans.set('192.0.2.2', { ms: 40, fails: 'ERR_PEER_MISMATCH' })
    transport.plans.set('192.0.2.3', { ms: 40 })
    const steps: DialStep[] = []
    pool
      .dial$(contact(larger, '192.0.2.1', '192.0.2.2', '192.0.2.3'), { attempt: 'a1' })
      .subscribe((step) => steps.push(step))
    await clock.advance(1_000)
    expect(transport.log.slice(0, 3)).to.deep.equal(['192.0.2.1@0', '192.0.2.2@40', '192.0.2.3@80'])
    expect(steps.map(word)).to.deep.equal([
      'dialing 192.0.2.1',
      'failed 192.0.2.1 ERR_DIAL',
      'dialing 192.0.2.2',
      'failed 192.0.2.2 ERR_PEER_MISMATCH',
      'dialing 192.0.2.3',
      'connected'
    ])
    const told = events.filter(({ attempt }) => attempt === 'a1').map(({ type }) => type)
    expect(told).to.deep.equal([
      'dial.started',
      'dial.failed',
      'dial.started',
      'dial.failed',
      'dial.started',
      'connection.opened'
    ])
    await stop()
  })

  it('reports every candidate when all fail', async () => {
    const { clock, transport, pool, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 400, fails: 'ERR_DIAL' })
    transport.plans.set('192.0.2.2', { ms: 400, fails: 'ERR_PEER_MISMATCH' })
    const failure: unknown = await clock
      .until(pool.dial(contact(larger, '192.0.2.1', '192.0.2.2', '0.0.0.0', 'gone.example')))
      .catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(ConnectError).with.property('code', 'ERR_CONNECT')
    const { report } = failure as ConnectError
    expect(report.ms).to.equal(650)
    expect(report.candidates.map(({ address, code, ms }) => [address.host, code, ms])).to.deep.equal([
      ['0.0.0.0', 'ERR_INVALID_INPUT', 0],
      ['gone.example', 'ERR_RESOLVE', 30],
      ['192.0.2.1', 'ERR_DIAL', 400],
      // The failing name did not hasten it: nothing was dialled there.
      ['192.0.2.2', 'ERR_PEER_MISMATCH', 400]
    ])
    expect(clock.pending).to.equal(0)
    await stop()
  })

  it('ends at its deadline, with the addresses that were not tried in the report', async () => {
    const { clock, transport, pool, stop } = await startPool({ dialTimeoutMs: 600 })
    const failure: unknown = await clock
      .until(pool.dial(contact(larger, '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5')))
      .catch((error: unknown) => error)
    const { report } = failure as ConnectError
    expect(report.candidates.map(({ code, ms }) => [code, ms])).to.deep.equal([
      ['ERR_DEADLINE', 600],
      ['ERR_DEADLINE', 350],
      ['ERR_DEADLINE', 100],
      ['ERR_DEADLINE', 0],
      ['ERR_DEADLINE', 0]
    ])
    expect([report.ms, transport.underWay, clock.pending]).to.deep.equal([600, 0, 0])
    await stop()
  })

  it('dials what a name resolves to as soon as it is known', async () => {
    const names = { 'seed.example': { ms: 60, hosts: ['192.0.2.7', '2001:db8::7'] } }
    const { clock, transport, pool, stop } = await startPool({ names })
    transport.plans.set('192.0.2.7', { ms: 10 })
    await clock.until(pool.dial(contact(larger, 'seed.example')))
    expect(transport.log.slice(0, 2)).to.deep.equal(['2001:db8::7@60', '192.0.2.7@310'])
    await stop()
  })

  it('is shared by callers of the same peer: late ones get the steps so far and add their addresses', async () => {
    const { clock, transport, pool, stop } = await startPool()
    transport.plans.set('192.0.2.2', { ms: 30 })
    const [early, late]: DialStep[][] = [[], []]
    pool.dial$(contact(larger, '192.0.2.1')).subscribe((step) => early!.push(step))
    await clock.advance(1_000)
    pool.dial$(contact(larger, '192.0.2.1', '192.0.2.2')).subscribe((step) => late!.push(step))
    await clock.advance(1_000)
    expect(transport.log.slice(0, 2)).to.deep.equal(['192.0.2.1@0', '192.0.2.2@1000'])
    expect(late!.map(word)).to.deep.equal(['dialing 192.0.2.1', 'dialing 192.0.2.2', 'connected'])
    expect(early).to.deep.equal(late)
    await stop()
  })

  it('tells the whole story to every attempt that shares it', async () => {
    const { clock, transport, pool, events, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 100, fails: 'ERR_DIAL' })
    transport.plans.set('192.0.2.2', { ms: 100 })
    const target = contact(larger, '192.0.2.1', '192.0.2.2')
    pool.dial$(target).subscribe()
    await clock.advance(150)
    pool.dial$(target, { attempt: 'a1' }).subscribe()
    await clock.advance(1_000)
    const told = events.filter(({ attempt }) => attempt === 'a1').map(({ type }) => type)
    expect(told).to.deep.equal(['dial.started', 'dial.failed', 'dial.started', 'connection.opened'])
    await stop()
  })

  it('goes on while anyone wants it, and leaves nothing when the last one has gone', async () => {
    const { clock, transport, pool, stop } = await startPool()
    const abort = new AbortController()
    const first = pool.dial$(contact(larger, '192.0.2.1', '192.0.2.2', '192.0.2.3')).subscribe()
    const second = pool
      .dial(contact(larger, '192.0.2.1'), { signal: abort.signal })
      .then(never, (error: unknown) => error)
    await clock.advance(300)
    first.unsubscribe()
    await clock.advance(1)
    expect(transport.underWay).to.equal(2)
    abort.abort()
    expect(await clock.until(second)).to.have.property('code', 'ERR_ABORTED')
    await clock.advance(0)
    expect([transport.underWay, clock.pending]).to.deep.equal([0, 0])
    await clock.advance(5_000)
    expect(transport.log.filter((line) => !line.startsWith('!'))).to.have.length(2)
    await stop()
  })

  it('can be left within the very step that it tells', async () => {
    const { clock, transport, pool, stop } = await startPool()
    const subscription = pool.dial$(contact(larger, '192.0.2.1', '192.0.2.2')).subscribe(() => {
      queueMicrotask(() => subscription.unsubscribe())
    })
    await clock.advance(1_000)
    expect([transport.underWay, clock.pending]).to.deep.equal([0, 0])
    await stop()
  })

  it('closes a connection that comes although its dial was given up', async () => {
    const { clock, transport, pool, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 260, deaf: true })
    transport.plans.set('192.0.2.2', { ms: 5 })
    const kept = await clock.until(pool.dial(contact(larger, '192.0.2.1', '192.0.2.2')))
    await clock.advance(100)
    const surplus = transport.made[1]!
    expect(surplus.closeInfo).to.have.property('code', 3)
    expect([...pool.connections]).to.deep.equal([kept])
    await stop()
  })

  it('takes a bounded number of candidates', async () => {
    const hosts = Array.from({ length: 200 }, (_, i) => `192.0.2.${i + 1}`)
    const { clock, transport, pool, stop } = await startPool({
      names: { 'many.example': { ms: 1, hosts } },
      dialTimeoutMs: 300_000
    })
    void pool.dial(contact(larger, 'many.example')).catch(() => undefined)
    await clock.advance(200_000)
    expect(transport.log).to.have.length(MAX_CANDIDATES - 1)
    await stop()
  })

  it('is won at once by the peer that reaches us, if its connection is the one both sides keep', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    const dialled = pool.dial(contact(smaller, '192.0.2.1'))
    await clock.advance(100)
    const inbound = arrive(smaller)
    expect(await clock.until(dialled)).to.equal(inbound)
    expect(clock.monotonic()).to.equal(100)
    await clock.advance(0)
    expect([transport.underWay, clock.pending]).to.deep.equal([0, SWEEP])
    await stop()
  })

  it('lets our own dials end first when ours would be kept, for a while', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 300 })
    const dialled = pool.dial(contact(larger, '192.0.2.1', '192.0.2.2'))
    await clock.advance(100)
    const inbound = arrive(larger)
    expect(pool.get(larger), 'usable already').to.equal(inbound)
    const own = await clock.until(dialled)
    expect([own.direction, clock.monotonic(), pool.get(larger)]).to.deep.equal(['outbound', 300, own])
    expect(
      transport.log.filter((line) => !line.startsWith('!')),
      'no further dial'
    ).to.deep.equal(['192.0.2.1@0'])
    await stop()
  })

  it('takes the connection of the peer when our own dials fail or take too long', async () => {
    for (const [plan, at] of [
      [{ ms: 150, fails: 'ERR_DIAL' }, 150],
      [undefined, 600]
    ] as const) {
      const { clock, transport, pool, arrive, stop } = await startPool()
      if (plan !== undefined) transport.plans.set('192.0.2.1', plan)
      const dialled = pool.dial(contact(larger, '192.0.2.1', '192.0.2.2'))
      await clock.advance(100)
      const inbound = arrive(larger)
      expect(await clock.until(dialled)).to.equal(inbound)
      expect(clock.monotonic()).to.equal(at)
      await stop()
    }
  })

  it('takes the connection of the peer at the deadline, if it waited for our own dials until then', async () => {
    const { clock, pool, arrive, stop } = await startPool({ dialTimeoutMs: 300 })
    const dialled = pool.dial(contact(larger, '192.0.2.1'))
    await clock.advance(100)
    const inbound = arrive(larger)
    expect(await clock.until(dialled)).to.equal(inbound)
    expect(clock.monotonic()).to.equal(300)
    await stop()
  })

  it('goes on when the connection of the peer is gone again', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    transport.plans.set('192.0.2.2', { ms: 10 })
    const dialled = pool.dial(contact(larger, '192.0.2.1', '192.0.2.2'))
    await clock.advance(100)
    const inbound = arrive(larger)
    await clock.advance(300)
    inbound.end({ code: 3, reason: '', by: 'peer', transport: false })
    expect((await clock.until(dialled)).remote.host).to.equal('192.0.2.2')
    expect(clock.monotonic()).to.equal(410)
    await stop()
  })

  it('gives a live connection at once, and refuses to dial itself', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    const inbound = arrive(larger)
    expect(await pool.dial(contact(larger, '192.0.2.1'))).to.equal(inbound)
    expect(transport.log).to.deep.equal([])
    const failure: unknown = await pool.dial(contact(self, '192.0.2.1')).catch((error: unknown) => error)
    expect(failure).to.have.property('code', 'ERR_INVALID_INPUT')
    await clock.advance(1_000)
    expect(clock.pending).to.equal(SWEEP)
    await stop()
  })

  it('prefers loopback only where the node itself listens on loopback alone', async () => {
    for (const [bound, first] of [
      ['127.0.0.1', '127.0.0.1'],
      ['0.0.0.0', '10.0.0.1']
    ] as const) {
      const { clock, transport, pool, stop } = await startPool({ bound })
      const subscription = pool.dial$(contact(larger, '10.0.0.1', '127.0.0.1')).subscribe()
      await clock.advance(0)
      expect(transport.log).to.deep.equal([`${first}@0`])
      subscription.unsubscribe()
      await stop()
    }
  })

  it('fails with the pool when that stops', async () => {
    const { clock, transport, pool, stop } = await startPool()
    const dialled = pool.dial(contact(larger, '192.0.2.1')).then(never, (error: unknown) => error)
    await clock.advance(10)
    await stop()
    expect(await clock.until(dialled)).to.have.property('code', 'ERR_ABORTED')
    expect([transport.underWay, clock.pending, transport.onConnection]).to.deep.equal([0, 0, undefined])
    const late: unknown = await pool.dial(contact(larger, '192.0.2.1')).catch((error: unknown) => error)
    expect(late).to.have.property('code', 'ERR_ABORTED')
  })
})

describe('a connection that was silent', () => {
  /** A connection of the peer's, silent for a second, and what a dial of the peer's tells. */
  async function dialSilent(how: { answersPings: boolean; pingMs?: number }) {
    const setting = await startPool()
    const { clock, transport, pool, arrive } = setting
    transport.plans.set('192.0.2.1', { ms: 30 })
    const old = arrive(larger)
    Object.assign(old, how)
    await clock.advance(1_000)
    const steps: string[] = []
    const begun = clock.monotonic()
    const dial = (options?: { maxSilenceMs: number }): void => {
      pool.dial$(contact(larger, '192.0.2.1'), options).subscribe({
        next: (step) => steps.push(`${word(step)} @${clock.monotonic() - begun}`),
        // The pool may stop before.
        error: () => undefined
      })
    }
    return { ...setting, old, steps, dial }
  }

  it('is used if the peer answers before it is dialled', async () => {
    const { clock, pool, old, steps, dial, stop } = await dialSilent({ answersPings: true, pingMs: 200 })
    dial()
    await clock.advance(5_000)
    expect(steps).to.deep.equal(['connected @200'])
    expect(pool.get(larger)).to.equal(old)
    await stop()
  })

  it('is used if the peer answers before a dial does', async () => {
    const { clock, transport, pool, old, steps, dial, stop } = await dialSilent({ answersPings: true, pingMs: 270 })
    dial()
    await clock.advance(5_000)
    expect(steps).to.deep.equal(['dialing 192.0.2.1 @250', 'connected @270'])
    expect([pool.get(larger), transport.underWay]).to.deep.equal([old, 0])
    await stop()
  })

  it('gives way to a new one if it does not answer, and is closed once that is certain', async () => {
    const { clock, pool, transport, old, steps, dial, stop } = await dialSilent({ answersPings: false })
    dial()
    await clock.advance(300)
    expect(steps).to.deep.equal(['dialing 192.0.2.1 @250', 'connected @280'])
    expect([pool.get(larger), old.closeInfo]).to.deep.equal([transport.made[0], undefined])
    await clock.advance(5_000)
    expect(old.closeInfo).to.include({ code: 3 })
    expect([...pool.connections]).to.deep.equal(transport.made)
    await stop()
  })

  it('is not waited for once it has ended', async () => {
    const { clock, old, steps, dial, stop } = await dialSilent({ answersPings: false })
    dial()
    await clock.advance(100)
    old.close()
    await clock.advance(5_000)
    expect(steps).to.deep.equal(['dialing 192.0.2.1 @100', 'connected @130'])
    await stop()
  })

  it('has no head start when it has left a question unanswered, until it is heard of', async () => {
    const { clock, pool, old, transport, steps, dial, stop } = await dialSilent({ answersPings: false })
    transport.plans.delete('192.0.2.1')
    expect(await clock.until(pool.check(larger))).to.equal(undefined)
    expect(await clock.until(pool.check(larger))).to.equal(undefined)
    expect(clock.monotonic()).to.equal(3_000)
    expect([transport.underWay, old.closeInfo]).to.deep.equal([0, undefined])
    dial()
    await clock.advance(10)
    expect(steps).to.deep.equal(['dialing 192.0.2.1 @2000'])
    old.answersPings = true
    old.heardAt = clock.monotonic()
    expect(await pool.check(larger)).to.equal(old)
    await stop()
  })

  it('is used at once by who says that it may be, and looked at afterwards', async () => {
    const { clock, pool, old, transport, steps, dial, stop } = await dialSilent({ answersPings: false })
    dial({ maxSilenceMs: Infinity })
    expect(steps).to.deep.equal(['connected @0'])
    dial({ maxSilenceMs: Infinity })
    expect([steps.length, old.pings]).to.deep.equal([2, 0])
    await clock.advance(250)
    expect(old.pings).to.equal(1)
    await clock.advance(400)
    expect(pool.get(larger)).to.equal(transport.made[0])
    await stop()
  })
})

describe('addresses of a name', () => {
  it('that cannot be parsed are a failure to resolve', async () => {
    const { clock, pool, stop } = await startPool({ names: { 'bad.example': { ms: 1, hosts: ['256.1.1.1'] } } })
    const failure: unknown = await clock
      .until(pool.dial(contact(larger, 'bad.example')))
      .catch((error: unknown) => error)
    expect((failure as ConnectError).report.candidates.map(({ address }) => Address.format(address))).to.deep.equal([
      'bad.example:4433'
    ])
    await stop()
  })
})
