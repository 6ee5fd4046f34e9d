import { z } from 'zod'

/** Options that both stores have. */
export const quotas = {
  /**
   * Bytes that all entries together may take, keys and about 100 for each entry included; 64 MiB. A store on disk takes
   * up to about twice as much there.
   */
  maxBytes: z
    .int()
    .min(0)
    .default(64 * 2 ** 20),
  /**
   * Bytes that each namespace directly below the root may take, with those inside it, so that none can fill the whole;
   * three quarters of `maxBytes` unless given. What is outside of all namespaces is bounded by `maxBytes` alone.
   */
  maxNamespaceBytes: z.int().min(0).optional()
}
