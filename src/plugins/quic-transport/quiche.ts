import type { Quiche } from '@matrixai/quic/native/quiche.js'
import type { Connection, PathEvent } from '@matrixai/quic/native/types.js'
import { CloseCode, messageOf, PeerloomError } from '../../kernel/index.js'

export type { Quiche } from '@matrixai/quic/native/quiche.js'
export type { Config as NativeConfig, ConnectionError as NativeError } from '@matrixai/quic/native/types.js'

/** A connection of the library, with what its own types leave out. */
export type NativeConnection = Omit<Connection, 'pathEventNext' | 'streamShutdown'> & {
  streamShutdown(streamId: number, side: typeof READ_SIDE | typeof WRITE_SIDE, code: number): void | null
  pathEventNext(): PathEvent | { type: 'FailedValidation' } | null
}

/** The sides of a stream, as `streamShutdown` wants them. */
export const READ_SIDE = 0
export const WRITE_SIDE = 1

/** A code as it can be sent: whatever is no whole number is a fault of ours. */
export function wireCode(code: number): number {
  return Number.isSafeInteger(code) && code >= 0 ? code : CloseCode.INTERNAL
}

const PREBUILT = 'linux-x64 (glibc), darwin-x64, darwin-arm64 and win32-x64'

/**
 * Loads the native quiche library. It is imported when the transport starts and not before, so that who uses another
 * transport neither waits for it nor needs it. Rejects with `ERR_NATIVE` if it is missing, cannot be loaded, or is
 * another library.
 */
export async function loadQuiche(load: () => Promise<Partial<Quiche>> = importQuiche): Promise<Quiche> {
  try {
    const quiche = await load()
    if (quiche.Config === undefined || quiche.Connection === undefined) throw new Error('it is another library')
    return quiche as Quiche
  } catch (cause) {
    throw new PeerloomError(
      'ERR_NATIVE',
      `the native QUIC library does not load on ${platform()} (${messageOf(cause).slice(0, 200)}); @matrixai/quic has ` +
        `prebuilt ones for ${PREBUILT}: install it again, with optional dependencies, run on one of these, ` +
        'or use another transport plugin',
      { cause }
    )
  }
}

/** Only asked when something is wrong, since it takes its time. */
function platform(): string {
  const name = `${process.platform}-${process.arch}`
  if (process.platform !== 'linux') return name
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return `${name} (${header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'})`
}

async function importQuiche(): Promise<Quiche> {
  return (await import('@matrixai/quic/native/quiche.js')).default
}
