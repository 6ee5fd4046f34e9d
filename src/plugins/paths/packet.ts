/** Lengths, in bytes, of a connection's id, of the number of a probe and of its authenticator. */
const MIN_TAG_BYTES = 4
const MAX_TAG_BYTES = 20
export const NUMBER_BYTES = 8
export const MAC_BYTES = 16

/**
 * `probe` asks for an answer over the path that it came by, `answer` asks in return, `confirmation` ends that; `come`
 * asks the dialler to take the path.
 */
export type ProbeKind = 'probe' | 'answer' | 'come' | 'confirmation'

const KINDS: readonly ProbeKind[] = ['probe', 'answer', 'come', 'confirmation']
const FIRST_BYTE = 0x20

/** A datagram as it was received, not yet authenticated. */
export interface ProbePacket {
  readonly kind: ProbeKind
  /** The id by which its receiver's transport finds the connection. */
  readonly tag: Uint8Array
  /** Of a probe or request its own, in hexadecimal; of an answer or confirmation that which it answers. */
  readonly number: string
  /** What an answer asks in return. */
  readonly returned: string | undefined
  /** What the authenticator is about, and the authenticator. */
  readonly head: Uint8Array
  readonly mac: Uint8Array
  /** Length of the whole datagram. */
  readonly bytes: number
}

export interface ProbeContent {
  readonly kind: ProbeKind
  readonly tag: Uint8Array
  readonly number: string
  readonly returned?: string | undefined
}

/** A datagram of `bytes` bytes, or as many as it needs, without its authenticator. */
export function writeProbe(content: ProbeContent, bytes: number): { data: Uint8Array; packet: ProbePacket } {
  const { kind, tag, number, returned = '' } = content
  const data = new Uint8Array(Math.max(bytes, headBytes(kind, tag.length) + MAC_BYTES))
  data[0] = FIRST_BYTE + KINDS.indexOf(kind)
  data[1] = tag.length
  data.set(tag, 2)
  data.set(Buffer.from(number + returned, 'hex'), 2 + tag.length)
  return { data, packet: partsOf(data, kind, tag.length) }
}

/** The probe in a datagram, or `undefined` if it holds none. */
export function readProbe(data: Uint8Array): ProbePacket | undefined {
  const [first = 0, tagBytes = 0] = data
  const kind = KINDS[first - FIRST_BYTE]
  if (kind === undefined || tagBytes < MIN_TAG_BYTES || tagBytes > MAX_TAG_BYTES) return undefined
  return data.length < headBytes(kind, tagBytes) + MAC_BYTES ? undefined : partsOf(data, kind, tagBytes)
}

function headBytes(kind: ProbeKind, tagBytes: number): number {
  return 2 + tagBytes + (kind === 'answer' ? 2 : 1) * NUMBER_BYTES
}

function partsOf(data: Uint8Array, kind: ProbeKind, tagBytes: number): ProbePacket {
  const end = headBytes(kind, tagBytes)
  const numbers = Buffer.from(data.subarray(2 + tagBytes, end)).toString('hex')
  return {
    kind,
    tag: data.subarray(2, 2 + tagBytes),
    number: numbers.slice(0, 2 * NUMBER_BYTES),
    returned: kind === 'answer' ? numbers.slice(2 * NUMBER_BYTES) : undefined,
    head: data.subarray(0, end),
    mac: data.subarray(end, end + MAC_BYTES),
    bytes: data.length
  }
}
