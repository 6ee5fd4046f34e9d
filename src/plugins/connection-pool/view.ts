import type { Connection, ConnectionPool, PoolStats } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import type { OwnWishes } from './wishes.js'

/** The pool as one plugin sees it, with wishes of its own. */
export class PoolView implements ConnectionPool {
  readonly peers$: ConnectionPool['peers$']
  readonly check: ConnectionPool['check']
  readonly dial$: ConnectionPool['dial$']
  readonly dial: ConnectionPool['dial']
  readonly onConnection: ConnectionPool['onConnection']
  readonly onEarly: ConnectionPool['onEarly']
  readonly disconnect: ConnectionPool['disconnect']

  constructor(
    private readonly pool: ConnectionPool,
    private readonly wishes: OwnWishes
  ) {
    this.peers$ = pool.peers$
    this.check = pool.check.bind(pool)
    this.dial$ = pool.dial$.bind(pool)
    this.dial = pool.dial.bind(pool)
    this.onConnection = pool.onConnection.bind(pool)
    this.onEarly = pool.onEarly.bind(pool)
    this.disconnect = pool.disconnect.bind(pool)
  }

  get(peer: NodeId): Connection | undefined {
    return this.pool.get(peer)
  }

  get connections(): Iterable<Connection> {
    return this.pool.connections
  }

  protect(peer: NodeId, tag: string): void {
    this.wishes.protect(peer, tag)
  }

  unprotect(peer: NodeId, tag: string): void {
    this.wishes.unprotect(peer, tag)
  }

  stay(peer: NodeId, tag: string, ms: number): void {
    this.wishes.stay(peer, tag, ms)
  }

  stats(): PoolStats {
    return this.pool.stats()
  }
}
