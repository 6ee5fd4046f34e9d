const SEQUENCE = 0x30
/** The explicit tag of a certificate's version. */
const VERSION = 0xa0
/** Serial number, signature algorithm, issuer, validity and subject stand between the version and the key. */
const BEFORE_KEY = 5
/** What a SubjectPublicKeyInfo with an Ed25519 key (RFC 8410 §4) has before its 32 bytes of key. */
const ED25519 = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)
const KEY_BYTES = 32

/**
 * The Ed25519 key of an X.509 certificate in DER (RFC 5280 §4.1); `undefined` if it has another or is malformed. TLS
 * has checked everything else by then; reading no more than this takes a hundredth of the time.
 */
export function ed25519KeyOf(der: Uint8Array): Uint8Array | undefined {
  const certificate = elementAt(der, 0, der.length)
  if (certificate?.tag !== SEQUENCE || certificate.end !== der.length) return undefined
  const signed = elementAt(der, certificate.start, certificate.end)
  if (signed?.tag !== SEQUENCE) return undefined
  let at = signed.start
  if (der[at] === VERSION) at = elementAt(der, at, signed.end)?.end ?? signed.end
  for (let i = 0; i < BEFORE_KEY; i++) at = elementAt(der, at, signed.end)?.end ?? signed.end
  if (elementAt(der, at, signed.end)?.end !== at + ED25519.length + KEY_BYTES) return undefined
  if (!ED25519.every((byte, i) => der[at + i] === byte)) return undefined
  return der.slice(at + ED25519.length, at + ED25519.length + KEY_BYTES)
}

interface Element {
  readonly tag: number
  /** Where its content starts and ends. */
  readonly start: number
  readonly end: number
}

/** The element at `at`, which must end by `limit`. Lengths as DER wants them: definite, and as short as can be. */
function elementAt(der: Uint8Array, at: number, limit: number): Element | undefined {
  const [tag, short] = [der[at], der[at + 1]]
  if (at + 2 > limit || tag === undefined || short === undefined) return undefined
  let start = at + 2
  let length = short
  if (short >= 0x80) {
    const bytes = short & 0x7f
    if (bytes === 0 || bytes > 3 || start + bytes > limit) return undefined
    length = 0
    for (let i = 0; i < bytes; i++) length = length * 256 + (der[start + i] as number)
    if (length < (bytes === 1 ? 0x80 : 256 ** (bytes - 1))) return undefined
    start += bytes
  }
  return start + length <= limit ? { tag, start, end: start + length } : undefined
}
