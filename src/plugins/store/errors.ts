import { messageOf, PeerloomError } from '../../kernel/index.js'

/** Files of the store are not what was written. */
export class DamagedError extends PeerloomError {
  constructor(
    directory: string,
    readonly what: string,
    cause?: unknown
  ) {
    super(
      'ERR_STORE',
      `the store in ${directory} is damaged (${what}); restore it from a backup, start once with repair: true to keep ` +
        'what can be read, or move the directory away to begin with an empty one',
      { cause }
    )
  }
}

/** Whatever went wrong with a store on disk as an `ERR_STORE` that says what to do. `verb` is what it could not be. */
export function storeError(directory: string, verb: string, error: unknown): PeerloomError {
  if (error instanceof PeerloomError) return error
  // What the binding says is the cause of a general sentence.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { code?: unknown } | undefined)?.code
  const message = messageOf(cause)
  if (code === 'LEVEL_LOCKED') {
    return new PeerloomError(
      'ERR_STORE',
      `the store in ${directory} is in use, by another process or by another node of this one; ` +
        'stop that one, or give this one a directory of its own',
      { cause }
    )
  }
  if (code === 'LEVEL_CORRUPTION' || DAMAGE.test(message)) return new DamagedError(directory, message, cause)
  return new PeerloomError(
    'ERR_STORE',
    `the store in ${directory} cannot be ${verb} (${message}); ${adviceFor(message)}`,
    { cause }
  )
}

/** A table that is gone, or too short to be one. */
const DAMAGE = /\.(?:ldb|sst): (?:No such file|Invalid argument)/

/** Of the system's codes and of its sentences, since the binding gives only these. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/ENOSPC|EDQUOT|EFBIG|No space|quota exceeded|File too large/i, 'make room on its disk'],
  [/EROFS|Read-only/i, 'its file system is read-only: make it writable, or name another directory'],
  [/EACCES|EPERM|denied|not permitted/i, 'let the user that runs this write there, or name another directory'],
  [/ENOTDIR|Not a directory/i, 'name a directory'],
  [/EMFILE|ENFILE|Too many open files/i, 'raise the limit on open files (ulimit -n)']
]

function adviceFor(message: string): string {
  return ADVICE.find(([pattern]) => pattern.test(message))?.[1] ?? 'look at its disk, or name another directory'
}

export function foreignError(directory: string): PeerloomError {
  return new PeerloomError(
    'ERR_STORE',
    `the directory ${directory} holds the database of another program; name another directory`
  )
}

export function closedError(): PeerloomError {
  return new PeerloomError('ERR_STORE', 'the store is closed, since its plugin has stopped')
}
