/**
 * What a logger handed in must offer; `console` and winston fit as they are. A logger that takes details before the
 * message, such as pino, needs an adapter: `examples/fastify/src/pino-logger.ts` is one.
 */
export interface Logger {
  debug(message: string, ...details: unknown[]): void
  info(message: string, ...details: unknown[]): void
  warn(message: string, ...details: unknown[]): void
  error(message: string, ...details: unknown[]): void
}

const nothing = (): void => undefined

/** Says nothing: the default, since a library has no business on a terminal that is not its own. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** A logger that survives a logger that throws. */
export function sturdyLogger(target: Logger): Logger {
  return prefixed('', target)
}

/** A logger that puts a plugin's name before each message, and survives a logger that throws. */
export function namedLogger(name: string, target: Logger): Logger {
  return prefixed(`${name}: `, target)
}

function prefixed(prefix: string, target: Logger): Logger {
  const write =
    (level: keyof Logger) =>
    (message: string, ...details: unknown[]): void => {
      try {
        target[level](prefix + message, ...details)
      } catch {
        // A broken logger must not break whoever logs.
      }
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}
