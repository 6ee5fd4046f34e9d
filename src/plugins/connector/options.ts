import * as v from 'valibot'

/** Configuration of the `connector` plugin. */
export const connectorOptions = v.strictObject({
  /** Milliseconds that an attempt to connect may take, from the call to the connection. */
  connectTimeoutMs: v.optional(v.pipe(v.number(), v.minValue(100), v.maxValue(600_000)), 30_000)
})

export type ConnectorOptions = v.InferInput<typeof connectorOptions>
