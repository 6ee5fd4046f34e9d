import type { FastifyBaseLogger } from 'fastify'
import type { Logger } from 'peerloom'

/**
 * Fastify's logger as Peerloom's. pino takes details before the message and drops what comes after it, so the error
 * that Peerloom gives last would be lost without this.
 */
export function loggerOf(pino: FastifyBaseLogger): Logger {
  const at =
    (level: keyof Logger) =>
    (message: string, ...details: unknown[]): void => {
      const err = details.find((detail) => detail instanceof Error)
      const others = details.filter((detail) => detail !== err)
      pino[level]({ ...(err && { err }), ...(others.length > 0 && { details: others }) }, message)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
