/** A stream of bytes in both directions, as the measures use it. */
export interface Duct {
  /** False: wait for {@link drained} before writing more. */
  write(chunk: Uint8Array): boolean
  drained(): Promise<void>
  /** Takes what arrives; set at once, in the turn in which the duct is given. */
  onData: (chunk: Uint8Array) => void
  /** Ends it on this side. */
  end(): void
}

/** A connection that is open. */
export interface Line {
  open(): Promise<Duct>
  close(): unknown
}

/** Connects anew each time that it is called. */
export interface Connect {
  (): Promise<Line>
  /** Whatever must be there before; it is not measured. */
  prepare?: () => Promise<void>
}

/** Nodes of a network in which one is looked up: more than any of them meets while it joins. */
export const NETWORK_NODES = 64

export interface Settings {
  /** The size of datagrams, where it can be held and is not left to the contender. */
  readonly datagramBytes?: number
  /** Connections that both ends must be able to hold, where there is a limit. */
  readonly connections?: number
  /** What is made of it that the same two have been connected before, where there is a choice. */
  readonly again?: 'full' | 'resumed' | 'early'
  /** Whether several connections are made at a time. */
  readonly inParallel?: boolean
}

/** What can be measured: ours, or a peer. A module that exports these. */
export interface Contender {
  /** Listens on loopback and gives every duct that others open to `accept`. Returns where it is, in whatever words. */
  readonly serve: (settings: Settings, accept: (duct: Duct) => void) => Promise<string>
  readonly client: (where: string, settings: Settings) => Promise<Connect>
}
