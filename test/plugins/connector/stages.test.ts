import { expect } from 'chai'
import { concat, from, lastValueFrom, NEVER, of, throwError, toArray, type Observable } from 'rxjs'
import { AbortError, ConnectError, DeadlineError, type Connection } from '#src/kernel/index.js'
import { InvalidInputError } from '#src/model/index.js'
import { liveConnection, orElse, reportFailure, within, type PathStep } from '#src/plugins/connector/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { address, done, FakePool, found, peer, query, word } from './doubles.js'

const connected: PathStep = { type: 'connected', connection: { peer } as Connection }
const dialing: PathStep = { type: 'dialing', peer, address: address('10.0.0.1') }

const path = (...steps: PathStep[]): Observable<PathStep> => from(steps)
const wordsOf = async (steps: Observable<PathStep>): Promise<string[]> =>
  (await lastValueFrom(steps.pipe(toArray()))).map(word)
const failureOf = (steps: Observable<PathStep>): Promise<unknown> =>
  lastValueFrom(steps, { defaultValue: undefined }).then(
    () => undefined,
    (error: unknown) => error
  )

describe('liveConnection', () => {
  it('gives the connection that lives, and nothing if there is none', async () => {
    const pool = new FakePool(new VirtualClock())
    const steps = liveConnection(pool.asPool, peer)
    expect(await wordsOf(steps)).to.deep.equal([])
    pool.arrive()
    expect(await wordsOf(steps)).to.deep.equal(['connected'])
  })
})

describe('orElse', () => {
  it('goes another way after one that led to no connection, and only then', async () => {
    const other = () => path(query, connected)
    expect(await wordsOf(path(dialing).pipe(orElse(other)))).to.deep.equal(['dialing 10.0.0.1', 'query', 'connected'])
    expect(await wordsOf(path(connected).pipe(orElse(other)))).to.deep.equal(['connected'])
  })

  it('passes a failure on', async () => {
    const boom = new Error('boom')
    expect(await failureOf(throwError(() => boom).pipe(orElse(() => of(connected))))).to.equal(boom)
  })
})

describe('within', () => {
  it('fails with a DeadlineError when its time is up, and leaves no timer before', async () => {
    const clock = new VirtualClock()
    const late = clock.until(failureOf(concat(of(query), NEVER).pipe(within(1_000, clock))))
    expect(await late).to.be.instanceOf(DeadlineError)
    expect(clock.monotonic()).to.equal(1_000)
    expect(await wordsOf(path(connected).pipe(within(1_000, clock)))).to.deep.equal(['connected'])
    expect(clock.pending).to.equal(0)
  })
})

describe('reportFailure', () => {
  const clock = new VirtualClock()
  const failed: PathStep = {
    type: 'failed',
    failure: { address: address('10.0.0.1'), code: 'ERR_DIAL', error: new Error('no'), ms: 5 }
  }

  it('passes a path that connects', async () => {
    const steps = path(query, dialing, failed, connected).pipe(reportFailure(peer, clock))
    expect(await wordsOf(steps)).to.deep.equal(['query', 'dialing 10.0.0.1', 'failed 10.0.0.1', 'connected'])
  })

  it('reports every candidate and the look-up of one that does not', async () => {
    const steps = path(query, found('10.0.0.1'), done(true), dialing, failed)
    const error = (await failureOf(steps.pipe(reportFailure(peer, clock)))) as ConnectError
    expect(error).to.be.instanceOf(ConnectError).and.to.have.property('code', 'ERR_CONNECT')
    expect(error.report.candidates.map(({ code, ms }) => [code, ms])).to.deep.equal([['ERR_DIAL', 5]])
    expect(error.report.discovery).to.include({ found: true, hops: 2 })
  })

  it('keeps what cut it off as the cause, but leaves cancelling and bad input as they are', async () => {
    const cut = new DeadlineError('late')
    const steps = (error: Error): Observable<PathStep> =>
      concat(
        of(dialing),
        throwError(() => error)
      ).pipe(reportFailure(peer, clock))
    const reported = (await failureOf(steps(cut))) as ConnectError
    expect(reported.cause).to.equal(cut)
    expect(reported.report.candidates.map(({ code }) => code)).to.deep.equal(['ERR_DEADLINE'])
    for (const error of [new AbortError(), new InvalidInputError('bad')]) {
      expect(await failureOf(steps(error))).to.equal(error)
    }
  })
})
