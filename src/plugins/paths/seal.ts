import { createHmac, timingSafeEqual } from 'node:crypto'
import { MAC_BYTES, writeProbe, type ProbeContent, type ProbePacket } from './packet.js'

/**
 * Authenticates the probes of one connection with the key that the two nodes share. The sender's role is part of what
 * is authenticated, so that nothing can be sent back to who made it; so is the length, so that nothing can be cut short
 * and elicit more than it is.
 */
export class Seal {
  /** @param dialler whether this side dialled */
  constructor(
    private readonly key: Uint8Array,
    private readonly dialler: boolean
  ) {}

  /** A whole datagram of `bytes` bytes. */
  write(content: ProbeContent, bytes: number): Uint8Array {
    const { data, packet } = writeProbe(content, bytes)
    packet.mac.set(this.#mac(packet, this.dialler))
    return data
  }

  /** Whether the other side of this connection has made it. */
  isGenuine(packet: ProbePacket): boolean {
    return timingSafeEqual(packet.mac, this.#mac(packet, !this.dialler))
  }

  #mac({ head, bytes }: ProbePacket, byDialler: boolean): Uint8Array {
    const rest = Uint8Array.of(byDialler ? 0 : 1, bytes >> 8, bytes & 0xff)
    return createHmac('sha256', this.key).update(head).update(rest).digest().subarray(0, MAC_BYTES)
  }
}
