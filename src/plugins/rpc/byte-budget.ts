import { RpcCode, RpcError, type Connection } from '../../kernel/index.js'

/** What a piece of a message counts for beyond its bytes, so that many small ones are bounded too. */
const PIECE_BYTES = 128

/** Bytes of unfinished messages that all calls of one connection hold together. */
export class ByteBudget {
  #held = 0

  constructor(private readonly maxBytes: number) {}

  get held(): number {
    return this.#held
  }

  /** Adds a piece and gives what it counts for. Throws {@link RpcError} with BUSY, and adds nothing, if there is no room. */
  take(bytes: number): number {
    const cost = bytes + PIECE_BYTES
    if (this.#held + cost > this.maxBytes) {
      const text = `more than ${String(this.maxBytes)} bytes of unfinished messages (maxIncomingBytes)`
      throw new RpcError(RpcCode.BUSY, text, { local: true })
    }
    this.#held += cost
    return cost
  }

  give(cost: number): void {
    this.#held -= cost
  }
}

/** The budgets of all connections, each made when it is first asked for. */
export class ByteBudgets {
  readonly #budgets = new WeakMap<Connection, ByteBudget>()

  constructor(private readonly maxBytes: number) {}

  of(connection: Connection): ByteBudget {
    let budget = this.#budgets.get(connection)
    if (budget === undefined) this.#budgets.set(connection, (budget = new ByteBudget(this.maxBytes)))
    return budget
  }
}

/** Whether an error says that this side has no room for more. */
export function isBusy(error: unknown): boolean {
  return error instanceof RpcError && error.rpcCode === RpcCode.BUSY
}
