/** What one run of a program gave: a figure, and how many operations it is the mean of. */
export interface Figure {
  readonly value: number
  readonly count: number
}

/** A way of doing a case's work. Rejects if it cannot; it leaves no process behind. */
export type Variant = (turn: Turn) => Promise<Figure>

export interface Turn {
  /** The Node binary to run programs with. */
  readonly node: string
  /** Whether to be short. */
  readonly quick: boolean
}

/** One thing that is measured. */
export interface Case {
  readonly name: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
  /** Times that everyone runs in a round; 1 unless given. */
  readonly turns?: number
  /** Whose Node runs it: `peers` is for peers that the Node of the bench is too old for; `bench` unless given. */
  readonly node?: 'bench' | 'peers'
  /** Peers that run on the peers' Node, whatever the others run on. */
  readonly onPeersNode?: readonly string[]
  readonly ours: Variant
  /** By the names that `--peers` takes. */
  readonly peers: Readonly<Record<string, Variant>>
  /** Peers that take no part, and why. */
  readonly without?: Readonly<Record<string, string>>
  /** Ours in other circumstances, always on the Node of the bench; told beside the others and compared with none. */
  readonly also?: Readonly<Record<string, Variant>>
  /** What no one can do better than, on the Node of the bench. */
  readonly limit?: { readonly what: string; readonly measure: Variant }
}

export interface Suite {
  readonly name: string
  readonly cases: readonly Case[]
}
