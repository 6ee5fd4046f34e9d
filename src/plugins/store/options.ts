import * as v from 'valibot'

/** Options that both stores have. */
export const quotas = {
  /**
   * Bytes that all entries together may take, keys and about 100 for each entry included; 64 MiB. A store on disk takes
   * up to about twice as much there.
   */
  maxBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 64 * 2 ** 20),
  /**
   * Bytes that each namespace directly below the root may take, with those inside it, so that none can fill the whole;
   * three quarters of `maxBytes` unless given. What is outside of all namespaces is bounded by `maxBytes` alone.
   */
  maxNamespaceBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)))
}
