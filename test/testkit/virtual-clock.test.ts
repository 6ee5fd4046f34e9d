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
