import { Logger as NestLogger } from '@nestjs/common'
import type { Logger } from 'peerloom'

/** Nest's logger as Peerloom's: it says `log` for `info`, and takes an error as its stack. */
export function nestLogger(): Logger {
  const logger = new NestLogger('Peerloom')
  const write =
    (level: 'debug' | 'log' | 'warn' | 'error') =>
    (message: string, ...details: unknown[]): void =>
      logger[level](message, ...details.map((detail) => (detail instanceof Error ? detail.stack : detail)))
  return { debug: write('debug'), info: write('log'), warn: write('warn'), error: write('error') }
}
