/** The bytes of the call that the seed makes, for peers whose calls carry bytes and not JSON. */
export const REQUEST_TEXT = '{"jsonrpc":"2.0","method":"echo","params":{"v":1},"id":null}'
/** The same call's input, for those whose calls carry JSON. */
export const INPUT = { v: 1 }

export interface Settings {
  /** The size of datagrams, where it can be held and is not left to the contender. */
  readonly datagramBytes?: number
  /** The ports of a relay between client and server: the one that clients send to, and the one that servers do. */
  readonly relay?: { readonly client: number; readonly server: number }
}

/** Calls over one connection. What a contender has no way of doing is left out. */
export interface Caller {
  /** Calls a method that gives its input back. Rejects if it does not. */
  call(): Promise<void>
  /** Sends `count` messages in one call, and takes as many back; each is a message of the size of a call's. */
  exchange?(count: number): Promise<void>
  /** Takes `count` messages that one call gives. */
  items?(count: number): Promise<void>
  /** Sends bytes in one call or stream of the connection, waiting when told to, until they are all taken or `stop` is aborted. */
  pour?(bytes: number, stop: AbortSignal): Promise<void>
}

/** What is measured: ours, or a peer. A module that exports these. */
export interface Contender {
  /** Serves on loopback. Returns its UDP port, if it has one, and where it is, in whatever words. */
  readonly serve: (settings: Settings) => Promise<{ readonly port: number; readonly where: unknown }>
  /** A client that is connected. */
  readonly connect: (where: never, settings: Settings) => Promise<Caller>
}
