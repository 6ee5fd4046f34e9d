import { concat, defer, map, mergeMap, NEVER, Observable, of, Subject, throwError, timer } from 'rxjs'
import { Contact, NodeId, PeerloomError, type Address } from '#src/model/index.js'
import {
  clockScheduler,
  type Clock,
  type Connection,
  type ConnectionPool,
  type DialStep,
  type FindStep,
  type PeerChange,
  type Router
} from '#src/kernel/index.js'

export function nodeId(n: number): NodeId {
  return NodeId.fromBytes(new Uint8Array(32).fill(n))
}

export const peer = nodeId(7)
export const guide = nodeId(1)

export function contact(...hosts: string[]): Contact {
  return Contact.of(peer, hosts.map(address))
}

export function address(host: string): Address {
  return { host, port: 4433 }
}

/** Gives each step at its time; an empty step ends it there. Without an end it goes on for ever. */
export function script<T>(clock: Clock, steps: readonly (readonly [ms: number, step?: T])[]): Observable<T> {
  const end = steps.find(([, step]) => step === undefined)
  const given = steps.filter((entry): entry is readonly [number, T] => entry[1] !== undefined)
  return new Observable<T>((subscriber) => {
    for (const [ms, step] of given) {
      subscriber.add(timer(ms, clockScheduler(clock)).subscribe(() => subscriber.next(step)))
    }
    if (end !== undefined) subscriber.add(timer(end[0], clockScheduler(clock)).subscribe(() => subscriber.complete()))
  })
}

export const query: FindStep = { type: 'query', node: guide, hop: 1 }
export const found = (...hosts: string[]): FindStep => ({ type: 'contact', contact: contact(...hosts) })
export const done = (isFound: boolean): FindStep => ({
  type: 'done',
  found: isFound,
  hops: 2,
  contacted: [guide, nodeId(2)],
  closest: []
})

/** A router whose look-ups give a script. */
export class FakeRouter implements Partial<Router> {
  lookUps = 0
  underWay = 0
  steps: readonly (readonly [number, FindStep?])[] = []
  attempts: (string | undefined)[] = []

  constructor(private readonly clock: Clock) {}

  find$: Router['find$'] = (_, options) =>
    defer(() => {
      this.lookUps++
      this.underWay++
      this.attempts.push(options?.attempt)
      return script(this.clock, this.steps)
    }).pipe(
      (source) =>
        new Observable((subscriber) => {
          subscriber.add(() => this.underWay--)
          subscriber.add(source.subscribe(subscriber))
        })
    )
}

/** A pool whose dials of a host connect or fail after their time, or hang. */
export class FakePool implements Partial<ConnectionPool> {
  readonly plans = new Map<string, { ms: number; fails?: string }>()
  readonly changes = new Subject<PeerChange>()
  readonly peers$ = this.changes.asObservable()
  readonly dialled: string[] = []
  live: Connection | undefined
  refuses: PeerloomError | undefined
  underWay = 0

  constructor(private readonly clock: Clock) {}

  get: ConnectionPool['get'] = () => this.live
  check: ConnectionPool['check'] = () => Promise.resolve(this.live)

  arrive(): Connection {
    const connection = { peer, direction: 'inbound' } as unknown as Connection
    this.live = connection
    this.changes.next({ type: 'connected', connection })
    return connection
  }

  dial$: ConnectionPool['dial$'] = ({ addresses }: Contact): Observable<DialStep> =>
    defer((): Observable<DialStep> => {
      const { refuses, live } = this
      if (refuses !== undefined) return throwError(() => refuses)
      if (live !== undefined) return of<DialStep>({ type: 'connected', connection: live })
      return of(...addresses).pipe(mergeMap((to) => this.#dialOne(to)))
    })

  #dialOne(to: Address): Observable<DialStep> {
    return new Observable<DialStep>((subscriber) => {
      this.underWay++
      this.dialled.push(`${to.host}@${this.clock.monotonic()}`)
      subscriber.add(() => this.underWay--)
      subscriber.add(
        concat(of<DialStep>({ type: 'dialing', peer, address: to }), this.#outcome(to)).subscribe(subscriber)
      )
    })
  }

  #outcome(to: Address): Observable<DialStep> {
    const plan = this.plans.get(to.host)
    if (plan === undefined) return NEVER
    const { ms, fails } = plan
    return timer(ms, clockScheduler(this.clock)).pipe(
      map((): DialStep => {
        if (fails === undefined) return { type: 'connected', connection: { peer, remote: to } as Connection }
        const error = new PeerloomError(fails, 'as planned')
        return { type: 'failed', failure: { address: to, code: fails, error, ms } }
      })
    )
  }

  get asPool(): ConnectionPool {
    return this as unknown as ConnectionPool
  }
}

/** A step in a word, for comparing. */
export function word(step: FindStep | DialStep): string {
  if (step.type === 'dialing') return `dialing ${step.address.host}`
  if (step.type === 'failed' && 'failure' in step) return `failed ${step.failure.address.host}`
  if (step.type === 'contact') return `contact ${step.contact.addresses.map(({ host }) => host).join(',')}`
  return step.type
}
