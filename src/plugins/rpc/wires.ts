import type { Connection } from '../../kernel/index.js'
import { matrixWire } from './matrix-wire.js'
import { peerloomWire } from './peerloom-wire.js'
import type { Wire } from './wire.js'

/** Tells what is spoken on a connection by the protocol (ALPN) that was agreed on. */
export function wireChoice(matrixProtocols: readonly string[]): (connection: Connection) => Wire {
  return ({ protocol }) => (matrixProtocols.includes(protocol) ? matrixWire : peerloomWire)
}
