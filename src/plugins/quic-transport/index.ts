import { Datagrams, definePlugin, Identity, Paths, Transport } from '../../kernel/index.js'
import { quicTransportOptions } from './options.js'
import { loadQuiche } from './quiche.js'

export type { QuicTransportOptions } from './options.js'

/**
 * QUIC (RFC 9000) over any datagrams, authenticated by node id on both sides. Needs a native library: fails to start
 * with `ERR_NATIVE` where there is none, with `ERR_IDENTITY` if the node's certificate cannot be used, and with
 * `ERR_KEY_LOG` if the key log that it is asked for cannot be written. When the certificate is renewed, new handshakes
 * use the new one.
 */
export const quicTransport = definePlugin({
  name: 'quic-transport',
  needs: { datagrams: Datagrams, identity: Identity },
  optional: { paths: Paths },
  provides: { transport: Transport },
  config: quicTransportOptions,
  async start({ datagrams, identity, paths }, context) {
    const { name, config, clock, events, log } = context
    const warn = (message: string): void => {
      log.warn(message)
      events.emit('node.warning', { message })
    }
    const release = clock.hold()
    try {
      // A node with another transport neither loads this one nor its native library.
      const [{ Endpoint }, { followCertificate }, { checkCertificate }, { KeyLog }, quiche, certificate] =
        await Promise.all([
          import('./endpoint.js'),
          import('./renewal.js'),
          import('./tls.js'),
          import('./key-log.js'),
          loadQuiche(),
          identity.certificate()
        ])
      checkCertificate(certificate, identity.nodeId)
      const keyLog = config.keyLogFile === undefined ? undefined : new KeyLog(config.keyLogFile, warn)
      context.defer(() => keyLog?.close())
      const parts = { name, quiche, datagrams, paths, certificate, options: config, clock, log, keyLog }
      const transport = new Endpoint(parts)
      context.defer(() => transport.stop())
      followCertificate(identity, certificate, context, (renewed) => {
        transport.useCertificate(renewed)
      })
      return { transport }
    } finally {
      release()
    }
  }
})
