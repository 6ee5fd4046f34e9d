import { Datagrams, definePlugin, Identity, Paths, Transport } from '../../kernel/index.js'
import { quicTransportOptions } from './options.js'
import { loadQuiche } from './quiche.js'

export type { QuicTransportOptions } from './options.js'

/**
 * QUIC (RFC 9000) over any datagrams, authenticated by node id on both sides. Needs a native library: fails to start
 * with `ERR_NATIVE` where there is none, and with `ERR_IDENTITY` if the node's certificate cannot be used. When the
 * certificate is renewed, new handshakes use the new one.
 */
export const quicTransport = definePlugin({
  name: 'quic-transport',
  needs: { datagrams: Datagrams, identity: Identity },
  optional: { paths: Paths },
  provides: { transport: Transport },
  config: quicTransportOptions,
  async start({ datagrams, identity, paths }, context) {
    const { name, config, clock, log } = context
    const release = clock.hold()
    try {
      // A node with another transport neither loads this one nor its native library.
      const [{ Endpoint }, { followCertificate }, { checkCertificate }, quiche, certificate] = await Promise.all([
        import('./endpoint.js'),
        import('./renewal.js'),
        import('./tls.js'),
        loadQuiche(),
        identity.certificate()
      ])
      checkCertificate(certificate, identity.nodeId)
      const transport = new Endpoint({ name, quiche, datagrams, paths, certificate, options: config, clock, log })
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
