import { expect } from 'chai'
import { take, timer } from 'rxjs'
import { clockScheduler, sleep, withDeadline } from '#src/kernel/index.js'
import { VirtualClock } from '#src/testkit/index.js'

describe('virtual time', () => {
  it('fires timers in order of time, then of setting, and lets promises settle between them', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const note = (text: string) => () => void seen.push(`${text}@${clock.monotonic()}`)
    clock.setTimeout(note('late'), 20)
    clock.setTimeout(note('a'), 10)
    clock.setTimeout(note('b'), 10)
    void sleep(clock, 10)
      .then(() => sleep(clock, 5))
      .then(note('chained'))
    await clock.advance(30)
    expect(seen).to.deep.equal(['a@10', 'b@10', 'chained@15', 'late@20'])
    expect(clock.pending).to.equal(0)
  })

  it('lets promises settle between two timers of one instant, and immediates before the next instant', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    let rounds = 0
    const again = (): unknown => (++rounds < 20 ? setImmediate(again) : seen.push('immediates'))
    clock.setTimeout(() => {
      setImmediate(again)
      void Promise.resolve()
        .then(() => undefined)
        .then(() => {
          seen.push('promises')
          cancelled.clear()
        })
    }, 9.2)
    const cancelled = clock.setTimeout(() => seen.push('cancelled'), 10)
    clock.setTimeout(() => seen.push('second'), 10)
    clock.setTimeout(() => seen.push('next'), 10.1)
    await clock.advance(20)
    expect(seen).to.deep.equal(['promises', 'second', 'immediates', 'next'])
  })

  it('is moved by several at once, one within the other', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const inner = async (): Promise<void> => {
      await clock.until(sleep(clock, 20))
      seen.push(`inner@${clock.monotonic()}`)
      await clock.advance(5)
      seen.push(`advanced@${clock.monotonic()}`)
    }
    await Promise.all([
      clock.until(inner()),
      clock.advance(10).then(() => seen.push(`other@${clock.monotonic()}`)),
      clock.until(sleep(clock, 40)).then(() => seen.push(`long@${clock.monotonic()}`))
    ])
    expect(seen).to.deep.equal(['other@10', 'inner@20', 'advanced@25', 'long@40'])
  })

  it('goes on at finite times whatever a timer asks for', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    clock.setTimeout(() => seen.push('soon'), 5)
    clock.setTimeout(() => seen.push('at once'), NaN)
    clock.setTimeout(() => seen.push('never'), Infinity)
    await clock.advance(10)
    expect(seen).to.deep.equal(['at once', 'soon'])
    await clock.until(new Promise(() => undefined)).catch(() => undefined)
    expect(clock.now()).to.be.below(Date.UTC(2027, 0, 1))
  })

  it('hands on what a timer throws, and goes on after it', async () => {
    const clock = new VirtualClock()
    let fired = 0
    clock.setTimeout(() => {
      throw new Error('thrown by a timer')
    }, 10)
    clock.setTimeout(() => fired++, 10)
    const failure: unknown = await clock.advance(20).catch((error: unknown) => error)
    expect(failure).to.have.property('message', 'thrown by a timer')
    await clock.advance(20)
    expect(fired).to.equal(1)
  })

  it('waits for real work that is held', async () => {
    const clock = new VirtualClock()
    const release = clock.hold()
    let finished = false
    setTimeout(() => {
      finished = true
      release()
    }, 5)
    await clock.until(sleep(clock, 1_000_000).then(() => expect(finished).to.equal(true)))
  })

  it('drives RxJS timers and cancels them', async () => {
    const clock = new VirtualClock()
    const seen: number[] = []
    timer(100, 50, clockScheduler(clock))
      .pipe(take(3))
      .subscribe(() => seen.push(clock.monotonic()))
    const cancelled = timer(100, clockScheduler(clock)).subscribe(() => seen.push(-1))
    cancelled.unsubscribe()
    await clock.advance(1000)
    expect(seen).to.deep.equal([100, 150, 200])
    expect(clock.pending).to.equal(0)
  })

  it('says so when nothing is left to happen', async () => {
    const clock = new VirtualClock()
    const failure: unknown = await clock.until(new Promise(() => undefined)).catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(Error)
  })

  it('ends work at its deadline and leaves no timer', async () => {
    const clock = new VirtualClock()
    const hung = withDeadline(clock, 500, () => new Promise(() => undefined)).catch((error: unknown) => error)
    expect(await clock.until(hung)).to.have.property('code', 'ERR_DEADLINE')
    expect(clock.monotonic()).to.equal(500)
    await withDeadline(clock, 500, () => Promise.resolve(1))
    expect(clock.pending).to.equal(0)
  })
})
