import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'

/** RFC 9001 §5.2: whoever sees a client's Initial packet can make its keys. */
const INITIAL_SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')
const TAG_BYTES = 16

const hmac = (key: Uint8Array, data: Uint8Array): Buffer => createHmac('sha256', key).update(data).digest()

/** HKDF-Expand-Label (RFC 8446 §7.1), up to 32 bytes. */
function expand(secret: Uint8Array, label: string, bytes: number): Buffer {
  const full = Buffer.from(`tls13 ${label}`)
  return hmac(secret, Buffer.concat([Buffer.from([0, bytes, full.length]), full, Buffer.from([0, 1])])).subarray(
    0,
    bytes
  )
}

function keysFor(dcid: Uint8Array) {
  const secret = expand(hmac(INITIAL_SALT, dcid), 'client in', 32)
  return { key: expand(secret, 'quic key', 16), iv: expand(secret, 'quic iv', 12), hp: expand(secret, 'quic hp', 16) }
}

function nonceOf(iv: Buffer, packetNumber: number): Buffer {
  const nonce = Buffer.from(iv)
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ packetNumber) >>> 0, 8)
  return nonce
}

/** Header protection (RFC 9001 §5.4); it is the same to put on and to take off, but for when the length is read. */
function mask(hp: Buffer, packet: Buffer, numberAt: number): Buffer {
  return createCipheriv('aes-128-ecb', hp, null).update(packet.subarray(numberAt + 4, numberAt + 20))
}

/** What an attacker can do: the same client's Initial packet, sealed anew for another destination id of that length. */
export function redirect(datagram: Uint8Array, newDcid: Buffer): Buffer {
  const packet = Buffer.from(datagram)
  const dcidBytes = packet[5]!
  let at = 7 + dcidBytes + packet[6 + dcidBytes]!
  const integer = (): number => {
    const bytes = 1 << (packet[at]! >> 6)
    let value = packet[at]! & 0x3f
    for (let i = 1; i < bytes; i++) value = value * 256 + packet[at + i]!
    at += bytes
    return value
  }
  const tokenBytes = integer()
  at += tokenBytes
  const length = integer()
  const old = keysFor(packet.subarray(6, 6 + dcidBytes))
  const off = mask(old.hp, packet, at)
  packet[0]! ^= off[0]! & 0x0f
  const numberBytes = (packet[0]! & 3) + 1
  for (let i = 0; i < numberBytes; i++) packet[at + i]! ^= off[1 + i]!
  const packetNumber = packet.readUIntBE(at, numberBytes)
  const header = Buffer.from(packet.subarray(0, at + numberBytes))
  const sealed = packet.subarray(at + numberBytes, at + length)
  const opening = createDecipheriv('aes-128-gcm', old.key, nonceOf(old.iv, packetNumber))
  opening.setAAD(header)
  opening.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plain = Buffer.concat([opening.update(sealed.subarray(0, -TAG_BYTES)), opening.final()])
  const fresh = keysFor(newDcid)
  newDcid.copy(header, 6)
  const sealing = createCipheriv('aes-128-gcm', fresh.key, nonceOf(fresh.iv, packetNumber))
  sealing.setAAD(header)
  const result = Buffer.concat([header, sealing.update(plain), sealing.final(), sealing.getAuthTag()])
  const on = mask(fresh.hp, result, at)
  result[0]! ^= on[0]! & 0x0f
  for (let i = 0; i < numberBytes; i++) result[at + i]! ^= on[1 + i]!
  return result
}
