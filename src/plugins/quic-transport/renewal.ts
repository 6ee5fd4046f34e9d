import type { Certificate, Identity, PluginContext } from '../../kernel/index.js'
import type { QuicTransportConfig } from './options.js'
import { checkCertificate } from './tls.js'

type Context = Pick<PluginContext<QuicTransportConfig>, 'clock' | 'config' | 'events' | 'log' | 'signal'>

/**
 * Asks for the certificate now and then and hands on each new one that can be used; until the plugin stops. Asking,
 * rather than waiting for the end of its validity, holds for clocks that are set and for machines that sleep.
 */
export function followCertificate(
  identity: Identity,
  first: Certificate,
  { clock, config, events, log, signal }: Context,
  use: (certificate: Certificate) => void
): void {
  let present = first
  const ask = async (): Promise<void> => {
    const certificate = await identity.certificate()
    if (signal.aborted || certificate.certificatePem === present.certificatePem) return
    checkCertificate(certificate, identity.nodeId)
    use(certificate)
    present = certificate
    log.info(`uses a new certificate, valid until ${new Date(certificate.expires).toISOString()}`)
  }
  const later = (): void => {
    clock.setTimeout(() => void askAgain(), config.certificateCheckMs, { background: true })
  }
  const askAgain = async (): Promise<void> => {
    try {
      await ask()
    } catch (error) {
      events.emit('node.warning', { message: 'the certificate was not renewed; the old one is used on', error })
    }
    if (!signal.aborted) later()
  }
  later()
}
