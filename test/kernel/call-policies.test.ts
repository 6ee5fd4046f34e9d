import { expect } from 'chai'
import fc from 'fast-check'
import { AbortError, RpcCode, RpcError, type CallOptions, type CallPolicies } from '#src/kernel/index.js'
import { withPolicies } from '#src/kernel/call-policies.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'

/** What becomes of one attempt: after `ms`, an answer, an error that is worth another attempt, or one that is not. */
interface Fate {
  readonly ms: number
  readonly end: 'answer' | 'busy' | 'busy for long' | 'cut off' | 'fatal' | 'hang'
}

const errors = {
  busy: () => new RpcError(RpcCode.BUSY, 'busy'),
  'busy for long': () => new RpcError(RpcCode.BUSY, 'busy', { data: { retryAfterMs: 700 } }),
  'cut off': () => new AbortError('cut off'),
  fatal: () => new RpcError(1, 'fatal')
}

/** A signal that counts its listeners. */
function counted(signal: AbortSignal): { signal: AbortSignal; listeners: () => number } {
  let listeners = 0
  const add = signal.addEventListener.bind(signal) as (...parameters: unknown[]) => void
  const remove = signal.removeEventListener.bind(signal) as (...parameters: unknown[]) => void
  signal.addEventListener = (...parameters: unknown[]) => {
    listeners++
    add(...parameters)
  }
  signal.removeEventListener = (...parameters: unknown[]) => {
    listeners--
    remove(...parameters)
  }
  // Those that are to be called once are gone when they were.
  return { signal, listeners: () => (signal.aborted ? 0 : listeners) }
}

class World {
  readonly clock = new VirtualClock()
  made: number[] = []
  running = 0

  constructor(private readonly fates: readonly Fate[]) {}

  /** A call as a registry makes it: it ends once, of its own, by its signal or at its deadline. */
  readonly call = (_input: unknown, options: CallOptions = {}): Promise<unknown> => {
    const { ms, end } = this.fates[this.made.length] ?? { ms: 0, end: 'answer' as const }
    const nth = this.made.push(this.clock.monotonic())
    this.running++
    const { signal, timer } = options
    const left = typeof timer === 'object' ? timer.getTimeout() : (timer ?? Infinity)
    return new Promise((resolve, reject) => {
      const over = (settle: () => void) => () => {
        this.running--
        own.clear()
        deadline?.clear()
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = over(() => {
        reject(signal?.reason as Error)
      })
      const fate = over(() => {
        if (end === 'answer') resolve(nth)
        else reject(errors[end as keyof typeof errors]())
      })
      const own = this.clock.setTimeout(fate, end === 'hang' ? 1e9 : ms)
      const late = over(() => {
        reject(new RpcError(RpcCode.TIMEOUT, 'late'))
      })
      const deadline = left === Infinity ? undefined : this.clock.setTimeout(late, left)
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort)
    })
  }

  under(policies: CallPolicies) {
    return withPolicies(this.call, policies, () => ({ clock: this.clock, random: seededRandom(1) }))
  }

  async outcome(call: Promise<unknown>): Promise<unknown> {
    return this.clock.until(call.catch((error: unknown) => error))
  }
}

const fates = (...ends: (Fate['end'] | [number, Fate['end']])[]): Fate[] =>
  ends.map((end) => (Array.isArray(end) ? { ms: end[0], end: end[1] } : { ms: 0, end }))

describe('policies of calls', () => {
  it('make a call again that was refused or cut off, with growing pauses, and no other', async () => {
    const world = new World(fates('busy', 'cut off', 'busy', 'answer'))
    expect(await world.outcome(world.under({ retry: { attempts: 4 } })(null))).to.equal(4)
    const pauses = world.made.slice(1).map((at, i) => at - world.made[i]!)
    for (const [i, pause] of pauses.entries()) expect(pause).to.be.within(50 * 2 ** i, 100 * 2 ** i + 1)
    const fatal = new World(fates('fatal'))
    expect(await fatal.outcome(fatal.under({ retry: {} })(null))).to.include({ rpcCode: 1 })
    expect(fatal.made).to.have.length(1)
    const wanted = new World(fates('fatal', 'answer'))
    expect(await wanted.outcome(wanted.under({ retry: { codes: [1] } })(null))).to.equal(2)
  })

  it('wait as long as a busy peer says, unless that is too long', async () => {
    const world = new World(fates('busy for long', 'answer'))
    expect(await world.outcome(world.under({ retry: {} })(null))).to.equal(2)
    expect(world.made[1]).to.be.within(700, 801)
    const short = new World(fates('busy for long', 'answer'))
    const error = await short.outcome(short.under({ retry: { maxBackoffMs: 699 } })(null))
    expect(error).to.include({ rpcCode: RpcCode.BUSY })
    expect(short.clock.monotonic()).to.equal(0)
  })

  it('begin no pause that would outlast the deadline, and give each attempt what is left of it', async () => {
    const world = new World(fates('busy for long', 'answer'))
    const error = await world.outcome(world.under({ retry: {} })(null, { timer: 700 }))
    expect(error).to.include({ rpcCode: RpcCode.BUSY })
    const late = new World(fates([400, 'busy'], 'hang'))
    expect(await late.outcome(late.under({ retry: {} })(null, { timer: 1000 }))).to.include({ code: 'ERR_RPC_TIMEOUT' })
    expect(late.clock.monotonic()).to.equal(1000)
  })

  it('make a copy when there is no answer, and end what comes too late', async () => {
    const world = new World(fates('hang', 'hang', [5, 'answer']))
    expect(await world.outcome(world.under({ hedge: { afterMs: 100, max: 2 } })(null))).to.equal(3)
    expect(world.made).to.deep.equal([0, 100, 200])
    expect([world.running, world.clock.pending]).to.deep.equal([0, 0])
    const fast = new World(fates([99, 'answer']))
    expect(await fast.outcome(fast.under({ hedge: { afterMs: 100 } })(null))).to.equal(1)
    expect(fast.made).to.have.length(1)
  })

  it('let a copy go on when another one is refused, but not when the call itself is bad', async () => {
    const world = new World(fates([300, 'answer'], 'busy'))
    expect(await world.outcome(world.under({ hedge: { afterMs: 100 } })(null))).to.equal(1)
    const bad = new World(fates([300, 'answer'], 'fatal'))
    expect(await bad.outcome(bad.under({ hedge: { afterMs: 100 } })(null))).to.include({ rpcCode: 1 })
    expect(bad.running).to.equal(0)
  })

  it('of a call come before those of its client, and cost nothing where there are none', async () => {
    const world = new World(fates('busy', 'answer'))
    const call = world.under({ retry: {} })
    expect(await world.outcome(call(null, { retry: { attempts: 1 } }))).to.include({ rpcCode: RpcCode.BUSY })
    const plain = Promise.resolve()
    expect(
      withPolicies(
        () => plain,
        {},
        () => expect.fail('asked')
      )(null)
    ).to.equal(plain)
  })

  it('are refused if they cannot be', async () => {
    const world = new World([])
    for (const policies of [
      { retry: { attempts: 0 } },
      { retry: { attempts: 1.5 } },
      { retry: { backoffMs: -1 } },
      { retry: { maxBackoffMs: NaN } },
      { retry: { codes: 7 as never } },
      { hedge: {} as never },
      { hedge: { afterMs: -1 } },
      { hedge: { afterMs: 1, max: 0 } }
    ]) {
      const error = await world.outcome(world.under({})(null, policies))
      expect(error, JSON.stringify(policies)).to.include({ code: 'ERR_INVALID_INPUT' })
    }
    expect(world.made).to.deep.equal([])
  })

  it('end every call exactly once, with bounded attempts, and leave nothing behind', async () => {
    const fate = fc.record({
      ms: fc.integer({ min: 0, max: 500 }),
      end: fc.constantFrom<Fate['end']>('answer', 'busy', 'busy for long', 'cut off', 'fatal', 'hang')
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { maxLength: 12 }),
        fc.option(fc.record({ attempts: fc.integer({ min: 1, max: 4 }) }), { nil: undefined }),
        fc.option(fc.record({ afterMs: fc.integer({ min: 0, max: 300 }), max: fc.integer({ min: 1, max: 3 }) }), {
          nil: undefined
        }),
        fc.integer({ min: 1, max: 3000 }),
        fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined }),
        async (script, retry, hedging, timer, abortAt) => {
          const world = new World(script)
          const controller = new AbortController()
          const { signal, listeners } = counted(controller.signal)
          let ends = 0
          const call = world.under({ retry, hedge: hedging })(null, { signal, timer })
          const settled = call.then(
            () => ends++,
            () => ends++
          )
          const abort =
            abortAt === undefined
              ? undefined
              : world.clock.setTimeout(() => {
                  controller.abort(new AbortError('enough'))
                }, abortAt)
          await world.clock.until(settled)
          abort?.clear()
          expect(ends).to.equal(1)
          expect(world.made.length).to.be.at.most((retry?.attempts ?? 1) * (1 + (hedging?.max ?? 0)))
          expect(world.clock.monotonic()).to.be.at.most(timer + 1)
          expect([world.running, world.clock.pending, listeners()]).to.deep.equal([0, 0, 0])
        }
      ),
      { numRuns: 200 }
    )
  })
})
