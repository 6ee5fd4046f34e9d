import { NodeId, NODE_ID_BYTES } from '../../model/index.js'
import { MalformedError, Reader, Writer } from './bytes.js'

/** Length of a connection id in bytes: long enough that it cannot be guessed from off the path. */
export const CONNECTION_ID_BYTES = 8
/** Length of a handshake's nonce in bytes. */
export const NONCE_BYTES = 32
/** Length of an Ed25519 signature in bytes. */
export const SIGNATURE_BYTES = 64
/** Protocols that a dialler may offer, and the bytes of each (as in ALPN, RFC 7301). */
export const MAX_PROTOCOLS = 16
export const MAX_PROTOCOL_BYTES = 64
/** Bytes kept of the reason for which a connection is closed. */
export const MAX_REASON_BYTES = 256

/** The first byte of each kind of datagram, in the class of QUIC (RFC 9443). */
const HELLO = 0x41
const WELCOME = 0x42
const DATA = 0x43
const CLOSE = 0x44
const MESSAGE = 0x45

/** One datagram. `to` is the connection id that its receiver chose, `from` the sender's own, each in hexadecimal. */
export type Packet =
  | {
      kind: 'hello'
      from: string
      nonce: Uint8Array
      nodeId: NodeId
      /** Streams that the receiver may open at first. */
      maxStreams: number
      protocols: readonly string[]
    }
  | {
      kind: 'welcome'
      to: string
      from: string
      nonce: Uint8Array
      nodeId: NodeId
      maxStreams: number
      protocol: string
      signature: Uint8Array
    }
  /**
   * `serial`: one more with each data packet that is sent, those that are sent again included. `ack`: the next packet
   * number that the sender waits for. `number` 0: nothing but the ack, and not acked itself.
   */
  | { kind: 'data'; to: string; serial: number; ack: number; number: number; frames: Uint8Array }
  | { kind: 'close'; to: string; code: number; reason: string }
  | { kind: 'message'; to: string; message: Uint8Array }

/** What a data packet carries. */
export type Frame =
  | { type: 'proof'; signature: Uint8Array }
  | { type: 'stream'; stream: number; end: boolean; data: Uint8Array }
  | { type: 'reset'; stream: number; code: number }
  | { type: 'stop'; stream: number; code: number }
  /** The sender takes this stream's bytes up to `limit`, counted from its start. */
  | { type: 'credit'; stream: number; limit: number }
  /** The receiver may open this many streams in all. */
  | { type: 'streams'; limit: number }
  | { type: 'ping' }

const FRAME_TYPES = ['proof', 'stream', 'reset', 'stop', 'credit', 'streams', 'ping'] as const

/** The most bytes that a stream frame adds to its data, and a data packet to its frames. */
export const STREAM_FRAME_OVERHEAD = 2 + 8 + 2
export const DATA_PACKET_OVERHEAD = 1 + CONNECTION_ID_BYTES + 8 + 8 + 8
/** The bytes that a message packet adds to its message. */
export const MESSAGE_PACKET_OVERHEAD = 1 + CONNECTION_ID_BYTES

export function encodePacket(packet: Packet): Uint8Array {
  const out = new Writer()
  switch (packet.kind) {
    case 'hello':
      out.byte(HELLO).raw(hex(packet.from)).raw(packet.nonce).raw(NodeId.toBytes(packet.nodeId))
      out.integer(packet.maxStreams).integer(packet.protocols.length)
      for (const protocol of packet.protocols) out.block(utf8(protocol))
      break
    case 'welcome':
      out.byte(WELCOME).raw(hex(packet.to)).raw(hex(packet.from)).raw(packet.nonce).raw(NodeId.toBytes(packet.nodeId))
      out.integer(packet.maxStreams).block(utf8(packet.protocol)).raw(packet.signature)
      break
    case 'data':
      out.byte(DATA).raw(hex(packet.to)).integer(packet.serial)
      out.integer(packet.ack).integer(packet.number).raw(packet.frames)
      break
    case 'close':
      out.byte(CLOSE).raw(hex(packet.to)).integer(packet.code)
      out.block(shortened(packet.reason))
      break
    case 'message':
      out.byte(MESSAGE).raw(hex(packet.to)).raw(packet.message)
  }
  return out.done()
}

/** The packet in a datagram, or `undefined` if it holds none. Never throws. */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  return guarded(() => {
    const input = new Reader(bytes)
    const packet = readPacket(input)
    return input.left === 0 ? packet : undefined
  })
}

function readPacket(input: Reader): Packet | undefined {
  const connectionId = (): string => Buffer.from(input.raw(CONNECTION_ID_BYTES)).toString('hex')
  const nodeId = (): NodeId => NodeId.fromBytes(input.raw(NODE_ID_BYTES))
  const protocol = (): string => text(input, MAX_PROTOCOL_BYTES)
  switch (input.byte()) {
    case HELLO: {
      const [from, nonce, id] = [connectionId(), input.raw(NONCE_BYTES), nodeId()]
      const [maxStreams, count] = [input.integer(), input.integer()]
      if (count > MAX_PROTOCOLS) return undefined
      return { kind: 'hello', from, nonce, nodeId: id, maxStreams, protocols: Array.from({ length: count }, protocol) }
    }
    case WELCOME: {
      const [to, from, nonce, id] = [connectionId(), connectionId(), input.raw(NONCE_BYTES), nodeId()]
      const [maxStreams, agreed, signature] = [input.integer(), protocol(), input.raw(SIGNATURE_BYTES)]
      return { kind: 'welcome', to, from, nonce, nodeId: id, maxStreams, protocol: agreed, signature }
    }
    case DATA:
      return {
        kind: 'data',
        to: connectionId(),
        serial: input.integer(),
        ack: input.integer(),
        number: input.integer(),
        frames: input.rest()
      }
    case CLOSE:
      return { kind: 'close', to: connectionId(), code: input.integer(), reason: text(input, MAX_REASON_BYTES) }
    case MESSAGE:
      return { kind: 'message', to: connectionId(), message: input.rest() }
    default:
      return undefined
  }
}

export function encodeFrame(frame: Frame): Uint8Array {
  const out = new Writer().byte(FRAME_TYPES.indexOf(frame.type))
  switch (frame.type) {
    case 'proof':
      return out.raw(frame.signature).done()
    case 'stream':
      return out
        .integer(frame.stream)
        .byte(frame.end ? 1 : 0)
        .block(frame.data)
        .done()
    case 'reset':
    case 'stop':
      return out.integer(frame.stream).integer(frame.code).done()
    case 'credit':
      return out.integer(frame.stream).integer(frame.limit).done()
    case 'streams':
      return out.integer(frame.limit).done()
    case 'ping':
      return out.done()
  }
}

/** The frames of a data packet, or `undefined` if any of them is malformed. Never throws. */
export function decodeFrames(bytes: Uint8Array): Frame[] | undefined {
  return guarded(() => {
    const input = new Reader(bytes)
    const frames: Frame[] = []
    while (input.left > 0) frames.push(readFrame(input))
    return frames
  })
}

function readFrame(input: Reader): Frame {
  const type = FRAME_TYPES[input.byte()]
  switch (type) {
    case 'proof':
      return { type, signature: input.raw(SIGNATURE_BYTES) }
    case 'stream': {
      const [stream, end] = [input.integer(), input.byte()]
      if (end > 1) throw new MalformedError()
      return { type, stream, end: end === 1, data: input.block() }
    }
    case 'reset':
    case 'stop':
      return { type, stream: input.integer(), code: input.integer() }
    case 'credit':
      return { type, stream: input.integer(), limit: input.integer() }
    case 'streams':
      return { type, limit: input.integer() }
    case 'ping':
      return { type }
    default:
      throw new MalformedError()
  }
}

function guarded<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

function text(input: Reader, maxBytes: number): string {
  const bytes = input.block()
  if (bytes.length > maxBytes) throw new MalformedError()
  return Buffer.from(bytes).toString('utf8')
}

/** As much of a text as fits; no character is cut in two. */
function shortened(reason: string): Uint8Array {
  const room = new Uint8Array(MAX_REASON_BYTES)
  return room.subarray(0, new TextEncoder().encodeInto(reason, room).written)
}

const utf8 = (value: string): Uint8Array => Buffer.from(value, 'utf8')
const hex = (value: string): Uint8Array => Buffer.from(value, 'hex')
