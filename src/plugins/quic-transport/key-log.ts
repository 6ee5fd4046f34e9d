import { randomBytes } from 'node:crypto'
import { appendFileSync, closeSync, constants, fchmodSync, openSync, readFileSync, unlinkSync } from 'node:fs'
import { messageOf, PeerloomError } from '../../kernel/index.js'
import type { NativeConnection } from './quiche.js'

const OWNER_ONLY = 0o600
const { O_APPEND, O_CREAT, O_EXCL, O_RDWR, O_WRONLY } = constants
/** Lest a pipe without a reader be waited for. */
const O_NONBLOCK = process.platform === 'win32' ? 0 : constants.O_NONBLOCK

/**
 * The secrets of all connections in one file, in the format of NSS (SSLKEYLOGFILE), for whoever may look into their
 * packets. quiche empties the file that it is to log to, so that each connection has one without a name until its
 * handshake is over, and what is in it is appended here then.
 */
export class KeyLog {
  readonly #file: number

  /** Throws `ERR_KEY_LOG` if the file, or others beside it, cannot be written. */
  constructor(
    private readonly path: string,
    private readonly warn: (message: string) => void
  ) {
    try {
      this.#file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, OWNER_ONLY)
    } catch (cause) {
      throw notWritable(path, cause)
    }
    try {
      // It may have been there before, for others to read.
      fchmodSync(this.#file, OWNER_ONLY)
      closeSync(this.#nameless(() => undefined))
    } catch (cause) {
      closeSync(this.#file)
      throw notWritable(path, cause)
    }
    warn(`TLS secrets are written to ${path}: whoever has it can read all that this node sends and receives`)
  }

  /** Logs a connection whose handshake has not begun. To be told when that is over; a failure costs a warning. */
  follow(native: NativeConnection): () => void {
    let own: number
    try {
      own = this.#nameless((name) => {
        native.setKeylog(name)
      })
    } catch (error) {
      this.#failed(error)
      return () => undefined
    }
    return () => {
      try {
        appendFileSync(this.#file, readFileSync(own))
      } catch (error) {
        this.#failed(error)
      } finally {
        closeSync(own)
      }
    }
  }

  close(): void {
    closeSync(this.#file)
  }

  /** A file beside the log, which has a name only for as long as `use` runs. */
  #nameless(use: (name: string) => void): number {
    const name = `${this.path}.${randomBytes(8).toString('hex')}`
    const file = openSync(name, O_RDWR | O_CREAT | O_EXCL, OWNER_ONLY)
    try {
      use(name)
      return file
    } catch (error) {
      closeSync(file)
      throw error
    } finally {
      unlinkSync(name)
    }
  }

  #failed(error: unknown): void {
    this.warn(`the secrets of a connection are not in ${this.path}: ${messageOf(error)}`)
  }
}

function notWritable(path: string, cause: unknown): PeerloomError {
  return new PeerloomError('ERR_KEY_LOG', `the key log ${path} cannot be written: ${messageOf(cause)}`, { cause })
}
