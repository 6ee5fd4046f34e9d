import * as v from 'valibot'

const duration = (minMs: number, maxMs: number, byDefault: number) =>
  v.optional(v.pipe(v.number(), v.minValue(minMs), v.maxValue(maxMs)), byDefault)

/** Configuration of the `paths` plugin. */
export const pathsOptions = v.strictObject({
  /** Milliseconds for which an address is asked before it counts as dead, and a peer before it counts as unwilling to move. */
  timeoutMs: duration(100, 60_000, 4_000),
  /**
   * How often, in milliseconds, the paths of a connection that has several are asked whether they still work: NATs
   * forget a mapping that is not used, the quickest after 30 s (RFC 4787 §4.3 asks for two minutes).
   */
  standbyMs: duration(1_000, 3_600_000, 15_000)
})

export type PathsOptions = v.InferInput<typeof pathsOptions>

/** The options with their defaults. */
export type PathsConfig = v.InferOutput<typeof pathsOptions>
