import type { Logger } from 'peerloom'

/** What this needs of pino; Fastify's logger has it, and any other of pino's. */
type Pino = Readonly<Record<keyof Logger, (details: object, message: string) => void>>

/**
 * pino as Peerloom's logger. pino takes details before the message and drops what comes after it, so the error that
 * Peerloom gives last would be lost without this. It arrives as `err`, which pino writes with its stack and causes.
 */
export function pinoLogger(pino: Pino): Logger {
  const at =
    (level: keyof Logger) =>
    (message: string, ...details: unknown[]): void => {
      const err = details.find((detail) => detail instanceof Error)
      const others = details.filter((detail) => detail !== err)
      pino[level]({ ...(err && { err }), ...(others.length > 0 && { details: others }) }, message)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
