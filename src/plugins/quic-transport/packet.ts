/** What can be told of a QUIC packet without its keys (RFC 8999, and RFC 9000 §17 for version 1). Pure. */

/** The only version spoken here. */
export const QUIC_VERSION = 1
/** Length of the connection ids that we choose; short headers do not say it. */
export const CID_BYTES = 20
/** A client's first datagram is at least this large, lest servers amplify (RFC 9000 §14.1). */
export const MIN_INITIAL_BYTES = 1_200

const LONG_HEADER = 0x80
const PACKET_TYPE = 0x30
const INITIAL = 0x00
const HANDSHAKE = 0x20
const RETRY = 0x30
const MAX_CID_BYTES = 20
/** A client's first choice of a destination id has at least this many bytes (RFC 9000 §7.2). */
const MIN_FIRST_DCID_BYTES = 8

/** A long header. Connection ids may have up to 255 bytes if the version is not ours. */
export interface LongHeader {
  readonly first: number
  readonly version: number
  readonly dcid: Uint8Array
  readonly scid: Uint8Array
}

/** A connection id as the key of a map. */
export function cidKey(cid: Uint8Array): string {
  return Buffer.from(cid.buffer, cid.byteOffset, cid.byteLength).toString('latin1')
}

export function isLongHeader(data: Uint8Array): boolean {
  return ((data[0] ?? 0) & LONG_HEADER) !== 0
}

/** The {@link cidKey} of the destination of a packet with a short header, or `undefined` if it is cut off. */
export function shortHeaderKey(data: Uint8Array): string | undefined {
  if (data.length <= CID_BYTES) return undefined
  const bytes = data instanceof Buffer ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return bytes.toString('latin1', 1, 1 + CID_BYTES)
}

/** Reads a long header; `undefined` if it is cut off. The ids are views of `data`. */
export function readLongHeader(data: Uint8Array): LongHeader | undefined {
  if (data.length < 7) return undefined
  const version = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(1)
  const dcidEnd = 6 + (data[5] as number)
  const scidLength = data[dcidEnd]
  if (scidLength === undefined) return undefined
  const scidEnd = dcidEnd + 1 + scidLength
  if (scidEnd > data.length) return undefined
  return {
    first: data[0] as number,
    version,
    dcid: data.subarray(6, dcidEnd),
    scid: data.subarray(dcidEnd + 1, scidEnd)
  }
}

/**
 * Where the first packet of a datagram ends, if it is a Handshake packet (RFC 9000 §17.2.4); others may share its
 * datagram. What is malformed counts as one packet.
 */
export function firstPacketEnd(data: Uint8Array): number {
  const header = isLongHeader(data) ? readLongHeader(data) : undefined
  if (header === undefined || header.version !== QUIC_VERSION || (header.first & PACKET_TYPE) !== HANDSHAKE) {
    return data.length
  }
  return longPacketEnd(data, header)
}

/**
 * Where the packets end that have the destination id of the first one. What a datagram holds beyond them is nobody's
 * (RFC 9000 §12.2); quiche would take it, early data that was recorded on its way to another connection included.
 */
export function sameDestinationEnd(data: Uint8Array): number {
  const first = isLongHeader(data) ? readLongHeader(data) : undefined
  if (first === undefined) return data.length
  let end = longPacketEnd(data, first)
  while (end < data.length) {
    const rest = data.subarray(end)
    const header = isLongHeader(rest) ? readLongHeader(rest) : undefined
    const key = header === undefined ? shortHeaderKey(rest) : cidKey(header.dcid)
    if (key !== cidKey(first.dcid)) return end
    end += header === undefined ? rest.length : longPacketEnd(rest, header)
  }
  return end
}

/** Where a packet with a long header ends (RFC 9000 §17.2), if it says so; else it is the datagram's last. */
function longPacketEnd(data: Uint8Array, { first, version, dcid, scid }: LongHeader): number {
  const type = first & PACKET_TYPE
  if (version !== QUIC_VERSION || type === RETRY) return data.length
  let at = 7 + dcid.length + scid.length
  if (type === INITIAL) at = lengthEnd(data, at)
  return Math.min(lengthEnd(data, at), data.length)
}

/** Where that ends whose length is at `at`; beyond `data` if it is cut off. */
function lengthEnd(data: Uint8Array, at: number): number {
  const length = readVarint(data, at)
  return length === undefined ? Infinity : at + varintBytes(data, at) + length
}

/** The token of an Initial packet (RFC 9000 §17.2.2), empty if it has none; `undefined` if it is cut off. A view. */
export function initialToken(data: Uint8Array, { dcid, scid }: LongHeader): Uint8Array | undefined {
  const at = 7 + dcid.length + scid.length
  const length = readVarint(data, at)
  if (length === undefined) return undefined
  const begin = at + varintBytes(data, at)
  return begin + length > data.length ? undefined : data.subarray(begin, begin + length)
}

/** A variable-length integer (RFC 9000 §16): the two high bits say how many bytes it has. */
function varintBytes(data: Uint8Array, at: number): number {
  return 1 << ((data[at] ?? 0) >> 6)
}

function readVarint(data: Uint8Array, at: number): number | undefined {
  const end = at + varintBytes(data, at)
  if (end > data.length) return undefined
  let value = (data[at] as number) & 0x3f
  for (let i = at + 1; i < end; i++) value = value * 256 + (data[i] as number)
  return value
}

/** What to do with a long-header packet that belongs to no connection. */
export type Reception = 'accept' | 'negotiate version' | DropCause

/** Why a datagram is dropped. */
export type DropCause =
  | 'malformed'
  | 'unknown connection'
  | 'unknown version'
  /** A client's first datagram of less than {@link MIN_INITIAL_BYTES}. */
  | 'small initial'
  /** Its address had not proved that it receives what is sent to it: answered with a Retry packet, if there is time. */
  | 'unproven address'
  /** A token that is not of our making, was not made for this address and connection id, or was altered. */
  | 'forged token'
  | 'late token'
  /** There are as many connections, or handshakes that others have begun, as there may be. */
  | 'connection limit'
  | 'handshake limit'
  /** The same for those of one IP address. */
  | 'connection limit of an address'
  | 'handshake limit of an address'
  /** Not a datagram: a peer that was turned away because it has enough connections already. */
  | 'connection limit of a node'
  /** quiche would not have it. */
  | 'refused'
  /** A copy of early data that was taken already, or too many flights with such: it waits for the handshake. */
  | 'replay'
  | 'stopping'
  | 'internal error'

/** Decides about a packet with a long header, of a datagram of `bytes` bytes, that belongs to no connection. */
export function receptionOf({ first, version, dcid, scid }: LongHeader, bytes: number): Reception {
  // A version negotiation packet; answering one with another could go on for ever.
  if (version === 0) return 'unknown connection'
  if (version !== QUIC_VERSION) return bytes >= MIN_INITIAL_BYTES ? 'negotiate version' : 'unknown version'
  if (dcid.length > MAX_CID_BYTES || scid.length > MAX_CID_BYTES) return 'malformed'
  if ((first & PACKET_TYPE) !== INITIAL) return 'unknown connection'
  if (bytes < MIN_INITIAL_BYTES) return 'small initial'
  return dcid.length < MIN_FIRST_DCID_BYTES ? 'malformed' : 'accept'
}

/** The version negotiation packet that answers a packet of an unknown version (RFC 9000 §17.2.1). */
export function versionNegotiation({ dcid, scid }: LongHeader): Uint8Array {
  const packet = new Uint8Array(7 + scid.length + dcid.length + 4)
  packet[0] = LONG_HEADER | 0x40
  packet[5] = scid.length
  packet.set(scid, 6)
  packet[6 + scid.length] = dcid.length
  packet.set(dcid, 7 + scid.length)
  new DataView(packet.buffer).setUint32(packet.length - 4, QUIC_VERSION)
  return packet
}
