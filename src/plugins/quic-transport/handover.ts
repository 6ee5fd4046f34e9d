import type { Connection, Logger } from '../../kernel/index.js'

export type ConnectionHandler = (connection: Connection) => void

/** Gives connections to who takes them; those that nobody takes yet wait for as long as they live. */
export class Handover {
  readonly #untaken = new Set<Connection>()
  #handler: ConnectionHandler | undefined

  constructor(private readonly log: Logger) {}

  get handler(): ConnectionHandler | undefined {
    return this.#handler
  }

  set handler(handler: ConnectionHandler | undefined) {
    this.#handler = handler
    for (const connection of this.#untaken) {
      // The handler itself may have put another in its place, or nobody.
      if (this.#handler === undefined) return
      this.#untaken.delete(connection)
      this.give(connection, this.#handler)
    }
  }

  offer(connection: Connection): void {
    if (this.#handler !== undefined) {
      this.give(connection, this.#handler)
      return
    }
    this.#untaken.add(connection)
    void connection.closed.then(() => this.#untaken.delete(connection))
  }

  /** Gives a connection to a certain handler, whose errors are its own affair. */
  give(connection: Connection, handler: ConnectionHandler): void {
    try {
      handler(connection)
    } catch (error) {
      this.log.error('a handler of connections threw', error)
    }
  }

  /** Nobody gets those that wait. */
  clear(): void {
    this.#untaken.clear()
  }
}
