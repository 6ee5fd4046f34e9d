import { z } from 'zod'

/** Configuration of the `connector` plugin. */
export const connectorOptions = z
  .strictObject({
    /** Milliseconds that an attempt to connect may take, from the call to the connection. */
    connectTimeoutMs: z.number().min(100).max(600_000).default(30_000)
  })
  .prefault({})

export type ConnectorOptions = z.input<typeof connectorOptions>
