import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { initialToken, MIN_INITIAL_BYTES, QUIC_VERSION, readLongHeader } from '#src/plugins/quic-transport/packet.js'

/** RFC 9001 §5.2. */
const SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')
const TAG_BYTES = 16
const SAMPLE_BYTES = 16
/** The packet numbers that are written here have as many bytes as they can, and the lengths two. */
const NUMBER_BYTES = 4
const LENGTH_BYTES = 2
/** Where a ClientHello has its random bytes, in the only frame that is before it: type, offset, length of two bytes, header, version. */
const HELLO_AT = 4
const HELLO_RANDOM_AT = HELLO_AT + 6
const HELLO_RANDOM_BYTES = 32

interface Keys {
  readonly key: Buffer
  readonly iv: Buffer
  readonly headers: Buffer
}

const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac('sha256', key).update(data).digest()

/** HKDF-Expand-Label (RFC 8446 §7.1), of at most 32 bytes and without context. */
function expandLabel(secret: Uint8Array, label: string, bytes: number): Buffer {
  const name = `tls13 ${label}`
  const info = Buffer.concat([Uint8Array.of(0, bytes, name.length), Buffer.from(name), Uint8Array.of(0, 1)])
  return hmac(secret, info).subarray(0, bytes)
}

/** What protects a client's Initial packets, whose first destination id was `dcid` (RFC 9001 §5.2). */
export function clientInitialKeys(dcid: Uint8Array): Keys {
  const secret = expandLabel(hmac(SALT, dcid), 'client in', 32)
  return {
    key: expandLabel(secret, 'quic key', 16),
    iv: expandLabel(secret, 'quic iv', 12),
    headers: expandLabel(secret, 'quic hp', 16)
  }
}

function nonceOf({ iv }: Keys, number: number): Buffer {
  const nonce = Buffer.from(iv)
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ number) >>> 0, 8)
  return nonce
}

/** RFC 9001 §5.4. */
function headerMask({ headers }: Keys, sample: Uint8Array): Buffer {
  return createCipheriv('aes-128-ecb', headers, null).update(sample)
}

export interface Initial {
  readonly dcid: Uint8Array
  readonly scid: Uint8Array
  readonly token: Uint8Array
  readonly number: number
  /** The frames, padding included. */
  readonly payload: Uint8Array
}

function headerBytes({ dcid, scid, token }: Pick<Initial, 'dcid' | 'scid' | 'token'>): number {
  return 7 + dcid.length + scid.length + 2 + token.length + LENGTH_BYTES + NUMBER_BYTES
}

/** An Initial packet as a client sends it, properly protected. */
export function protectInitial({ dcid, scid, token, number, payload }: Initial): Buffer {
  const keys = clientInitialKeys(dcid)
  const header = Buffer.alloc(headerBytes({ dcid, scid, token }))
  header[0] = 0xc0 | (NUMBER_BYTES - 1)
  header.writeUInt32BE(QUIC_VERSION, 1)
  header.set([dcid.length, ...dcid], 5)
  header.set([scid.length, ...scid], 6 + dcid.length)
  const tokenAt = 7 + dcid.length + scid.length
  header.writeUInt16BE(0x4000 | token.length, tokenAt)
  header.set(token, tokenAt + 2)
  const numberAt = header.length - NUMBER_BYTES
  header.writeUInt16BE(0x4000 | (NUMBER_BYTES + payload.length + TAG_BYTES), numberAt - LENGTH_BYTES)
  header.writeUInt32BE(number, numberAt)
  const cipher = createCipheriv('aes-128-gcm', keys.key, nonceOf(keys, number)).setAAD(header)
  const packet = Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()])
  const mask = headerMask(keys, packet.subarray(numberAt + 4, numberAt + 4 + SAMPLE_BYTES))
  packet[0]! ^= mask[0]! & 0x0f
  for (let i = 0; i < NUMBER_BYTES; i++) packet[numberAt + i]! ^= mask[i + 1]!
  return packet
}

/** What of an Initial packet can be read without its keys, and where in its datagram it ends. */
export function initialParts(datagram: Uint8Array) {
  const data = Buffer.from(datagram)
  const header = readLongHeader(data)!
  const token = initialToken(data, header)!
  const tokenAt = 7 + header.dcid.length + header.scid.length
  const lengthAt = tokenAt + (1 << (data[tokenAt]! >> 6)) + token.length
  const lengthBytes = 1 << (data[lengthAt]! >> 6)
  const length = data.readUIntBE(lengthAt, lengthBytes) & (2 ** (8 * lengthBytes - 2) - 1)
  const numberAt = lengthAt + lengthBytes
  return { ...header, token, numberAt, end: numberAt + length }
}

/** Reads what {@link protectInitial}, or any client's first Initial, says; throws if it is none. */
export function openInitial(packet: Uint8Array): Initial {
  const { dcid, scid, token, numberAt, end } = initialParts(packet)
  const data = Buffer.from(packet)
  const keys = clientInitialKeys(dcid)
  const mask = headerMask(keys, data.subarray(numberAt + 4, numberAt + 4 + SAMPLE_BYTES))
  data[0]! ^= mask[0]! & 0x0f
  const numberBytes = (data[0]! & 3) + 1
  for (let i = 0; i < numberBytes; i++) data[numberAt + i]! ^= mask[i + 1]!
  const number = data.readUIntBE(numberAt, numberBytes)
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonceOf(keys, number))
    .setAAD(data.subarray(0, numberAt + numberBytes))
    .setAuthTag(data.subarray(end - TAG_BYTES, end))
  const payload = Buffer.concat([
    decipher.update(data.subarray(numberAt + numberBytes, end - TAG_BYTES)),
    decipher.final()
  ])
  return { dcid, scid, token, number, payload }
}

/**
 * First Initials of ever other clients, made from that of a real one: connection ids and random bytes are new, and the
 * transport parameters repeat the new id, so that a server begins a handshake with each.
 */
export class Clients {
  readonly #model: Initial

  constructor(first: Uint8Array) {
    this.#model = openInitial(first)
  }

  /** @param random as many unpredictable (or repeatable) bytes as are asked for */
  next(random: (bytes: number) => Uint8Array = randomBytes, changes: Partial<Initial> = {}): Buffer {
    const { scid: known } = this.#model
    const payload = Buffer.from(this.#model.payload)
    const scid = random(known.length)
    for (let at = payload.indexOf(known); at >= 0; at = payload.indexOf(known, at + 1)) payload.set(scid, at)
    payload.set(random(HELLO_RANDOM_BYTES), HELLO_RANDOM_AT)
    const made = { dcid: random(16), scid, token: new Uint8Array(0), number: 0, payload, ...changes }
    // The header may be longer or shorter than the model's: padding, which is zeros, makes up for it.
    const filled = Buffer.alloc(MIN_INITIAL_BYTES - headerBytes(made) - TAG_BYTES)
    filled.set(made.payload.subarray(0, filled.length))
    return protectInitial({ ...made, payload: filled })
  }
}
