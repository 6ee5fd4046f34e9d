import { createPrivateKey, X509Certificate } from 'node:crypto'
import { PeerloomError, type Certificate } from '../../kernel/index.js'
import { NodeId } from '../../model/index.js'
import { ed25519KeyOf } from './certificate-key.js'
import { MESSAGES_PER_TURN } from './messages.js'
import type { QuicTransportConfig } from './options.js'
import type { NativeConfig, Quiche } from './quiche.js'

/** Connection ids that either side may hold; each further path that quiche sees of a connection uses one up for ever. */
export const ACTIVE_CONNECTION_IDS = 64

function notProven(why: string): PeerloomError {
  return new PeerloomError('ERR_PEER_MISMATCH', `the peer proves no node id: ${why}`)
}

/**
 * The node id that a peer proved by its certificates, of which it must send exactly one, with an Ed25519 key. That it
 * holds the key, TLS has checked; names and dates mean nothing here. Throws `ERR_PEER_MISMATCH`.
 */
export function provenNodeId(chain: readonly Uint8Array[] | null): NodeId {
  const [only, ...others] = chain ?? []
  if (only === undefined) throw notProven('it sent no certificate')
  if (others.length > 0) throw notProven(`it sent ${String(others.length + 1)} certificates instead of one`)
  const key = ed25519KeyOf(only)
  if (key === undefined) throw notProven('its certificate has no Ed25519 key, or cannot be read')
  return NodeId.fromBytes(key)
}

/**
 * Checks our own certificate against its key and the node id. The binding would take a key that does not fit, and end
 * the process if there were no certificate. Throws `ERR_IDENTITY`.
 */
export function checkCertificate({ certificatePem, privateKeyPem }: Certificate, nodeId: NodeId): void {
  let problem: string | undefined
  let cause: unknown
  try {
    const certificate = new X509Certificate(certificatePem)
    if (!certificate.checkPrivateKey(createPrivateKey(privateKeyPem))) problem = 'its key is another one'
    else if (provenNodeId([certificate.raw]) !== nodeId) problem = 'it does not carry the node id'
  } catch (error) {
    problem = 'it or its key cannot be read'
    cause = error
  }
  if (problem !== undefined) {
    throw new PeerloomError('ERR_IDENTITY', `the certificate cannot be used: ${problem}`, { cause })
  }
}

/** Length of a {@link ConfigVariant.ticketKey}: a name, and keys to encrypt and to sign with, of 16 bytes each. */
export const TICKET_KEY_BYTES = 48

/** What differs between the configurations of one endpoint. */
export interface ConfigVariant {
  /** The largest datagram. */
  readonly datagramBytes: number
  /** Whether early data may be sent and is taken. */
  readonly early: boolean
  /** What tickets are sealed with: all must have the same, since any may have to open what another has sealed. */
  readonly ticketKey: Uint8Array
}

/** The native configuration for connections of a kind. */
export function makeConfig(
  quiche: Quiche,
  { certificatePem, privateKeyPem }: Certificate,
  options: QuicTransportConfig,
  { datagramBytes, early, ticketKey }: ConfigVariant
): NativeConfig {
  const pem = (text: string): Uint8Array[] => [Buffer.from(text)]
  // A failed check against (no) authorities is allowed: who the peer is, we tell from its key.
  const config = quiche.Config.withBoringSslCtx(true, true, null, pem(privateKeyPem), pem(certificatePem), 'ed25519')
  config.setTicketKey(ticketKey)
  if (early) config.enableEarlyData()
  config.setApplicationProtos(options.protocols)
  config.setMaxIdleTimeout(options.idleTimeoutMs)
  config.setMaxSendUdpPayloadSize(datagramBytes)
  // The other side sends no larger ones either: both must know that the way carries them.
  config.setMaxRecvUdpPayloadSize(datagramBytes)
  config.setInitialMaxData(options.connectionWindowBytes)
  config.setMaxConnectionWindow(Math.max(options.connectionWindowBytes, options.maxConnectionWindowBytes))
  config.setInitialMaxStreamDataBidiLocal(options.streamWindowBytes)
  config.setInitialMaxStreamDataBidiRemote(options.streamWindowBytes)
  config.setMaxStreamWindow(Math.max(options.streamWindowBytes, options.maxStreamWindowBytes))
  config.setInitialMaxStreamsBidi(options.maxStreams)
  config.setInitialMaxStreamsUni(0)
  config.setActiveConnectionIdLimit(ACTIVE_CONNECTION_IDS)
  config.setDisableActiveMigration(false)
  if (options.maxQueuedMessages > 0) config.enableDgram(true, MESSAGES_PER_TURN, options.maxQueuedMessages)
  if (options.keyLogFile !== undefined) config.logKeys()
  config.setCcAlgorithmName(options.congestionControl)
  // Nobody waits until the times that quiche's pacer plans, but it measures round trips from them. Switched off, its
  // plan stands still while a window is small: measured times, and with them the plan's steps, grow without limit, and a
  // lossy connection comes to rest. BBR paces by its own measure, and does far worse with the pacer.
  config.enablePacing(options.congestionControl !== 'bbr')
  return config
}
