import { z } from 'zod'

/** Configuration of the `connection-pool` plugin. */
export const connectionPoolOptions = z
  .strictObject({
    /** Peers connected at once, in both directions. */
    maxConnections: z.int().min(1).default(512),
    /** After how many milliseconds the next address of a contact is dialled beside those under way. RFC 8305 §5: 250. */
    staggerMs: z.number().min(10).max(5_000).default(250),
    /** Milliseconds that a dial may take, all addresses of a contact together. */
    dialTimeoutMs: z.number().min(100).max(300_000).default(15_000),
    /** Milliseconds that streams on a duplicate connection have to finish before it is closed. */
    drainMs: z.number().min(0).max(300_000).default(10_000)
  })
  .prefault({})

export type ConnectionPoolOptions = z.input<typeof connectionPoolOptions>
