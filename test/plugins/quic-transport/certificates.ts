import { webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { Certificate } from '#src/kernel/index.js'
import type { NodeId } from '#src/model/index.js'
import { provenNodeId } from '#src/plugins/quic-transport/tls.js'

/** A self-signed certificate and its key. */
export async function makeCertificate(kind: 'Ed25519' | 'ECDSA'): Promise<Certificate> {
  const algorithm = kind === 'Ed25519' ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    { name: 'CN=test', keys, signingAlgorithm: algorithm },
    webcrypto
  )
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    certificatePem: certificate.toString('pem'),
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    expires: Date.now() + 1e9
  }
}

/** The node id that a certificate proves. */
export function idOf({ certificatePem }: Certificate): NodeId {
  return provenNodeId([new X509Certificate(certificatePem).raw])
}
