import { createPublicKey, randomBytes, type KeyObject } from 'node:crypto'
import { KernelError, messageOf, type Certificate, type Clock } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'

export const DAY_MS = 86_400_000
/** Peers' clocks may be late. */
const BACKDATE_MS = DAY_MS
const SERIAL_BYTES = 16

/** How long certificates are valid, and how long before the end of one there is another. */
export interface CertificateTimes {
  readonly certificateValidityMs: number
  readonly renewBeforeMs: number
}

/** The certificate of one key: made when first asked for, kept, and made anew before it ends. */
export class CertificateCache {
  #certificate: Certificate | undefined
  #making: Promise<Certificate> | undefined

  constructor(
    private readonly privateKey: KeyObject,
    private readonly nodeId: NodeId,
    private readonly clock: Clock,
    private readonly times: CertificateTimes
  ) {}

  async get(): Promise<Certificate> {
    const present = this.#certificate
    if (present !== undefined && present.expires - this.clock.now() >= this.times.renewBeforeMs) return present
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined
    })
    return this.#making
  }

  async #make(): Promise<Certificate> {
    const release = this.clock.hold()
    try {
      return (this.#certificate = await makeCertificate(
        this.privateKey,
        this.nodeId,
        this.clock.now(),
        this.times.certificateValidityMs
      ))
    } catch (cause) {
      throw new KernelError('ERR_IDENTITY', `cannot make a certificate: ${messageOf(cause)}`, { cause })
    } finally {
      release()
    }
  }
}

/** A self-signed certificate (RFC 5280) with an Ed25519 key (RFC 8410). */
async function makeCertificate(
  privateKey: KeyObject,
  nodeId: NodeId,
  now: number,
  validityMs: number
): Promise<Certificate> {
  // Imported here, since it takes up to 110 ms and a node in memory needs none. It uses tsyringe, which wants a polyfill.
  await import('reflect-metadata')
  const { KeyUsageFlags, KeyUsagesExtension, X509CertificateGenerator } = await import('@peculiar/x509')
  const algorithm = { name: 'Ed25519' }
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const { subtle } = globalThis.crypto
  const keys = {
    privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    publicKey: await subtle.importKey('spki', spki, algorithm, true, ['verify'])
  }
  // X.509 tells time in seconds.
  const expires = Math.floor((now + validityMs) / 1000) * 1000
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerial(),
    name: `CN=${nodeId}`,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(expires),
    signingAlgorithm: algorithm,
    // RFC 5280 §4.1 forbids an empty list of extensions, and this is the one purpose that TLS 1.3 has for the key.
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)],
    keys
  })
  const privateKeyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
  return Object.freeze({ certificatePem: certificate.toString('pem'), privateKeyPem, expires })
}

/** A positive number whose DER has no leading zero byte: the first byte is in 0x40–0x7f. */
function makeSerial(): string {
  const serial = randomBytes(SERIAL_BYTES)
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40
  return serial.toString('hex')
}
