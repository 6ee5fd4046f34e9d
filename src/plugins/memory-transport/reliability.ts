/** Packets that may be under way without being acked. The receiver keeps no more that came too early. */
export const WINDOW_PACKETS = 128
/** Acks that repeat themselves this often mean a lost packet (RFC 5681 §3.2). */
const DUPLICATE_ACKS = 3
/** Bounds of the time to wait for an ack, and the first guess, in milliseconds (RFC 6298). */
const MIN_TIMEOUT_MS = 200
const MAX_TIMEOUT_MS = 5_000
const INITIAL_TIMEOUT_MS = 1_000
/** How long an answer may take before the way is doubted: a few round trips, and not less than acks may be late. */
const PATIENCE_ROUND_TRIPS = 3
const MIN_PATIENCE_MS = 300

interface InFlight {
  readonly number: number
  readonly payload: Uint8Array
  sentAt: number
  resent: boolean
}

/** A packet to be sent (again). */
export interface Outgoing {
  readonly number: number
  readonly payload: Uint8Array
}

/**
 * The sending half of a reliable, ordered sequence of packets: cumulative acks, a retransmission timer (RFC 6298) and
 * fast retransmit with recovery from one loss a round trip (RFC 6582). Packets are numbered from 1. Pure: times are
 * arguments, and what is to be sent is returned.
 */
export class SendWindow {
  readonly #packets: InFlight[] = []
  #next = 1
  #duplicates = 0
  #recoverUntil = 0
  #variance = 0
  #backoff = 1
  /** Smoothed round-trip time in milliseconds; 0 until measured. */
  rttMs = 0
  /** Whether a round trip was measured on the present way. */
  isMeasured = false
  /** Packets that were sent again. */
  lost = 0
  lostBytes = 0

  get hasRoom(): boolean {
    return this.#packets.length < WINDOW_PACKETS
  }

  get isEmpty(): boolean {
    return this.#packets.length === 0
  }

  add(payload: Uint8Array, now: number): Outgoing {
    const packet: InFlight = { number: this.#next++, payload, sentAt: now, resent: false }
    this.#packets.push(packet)
    return packet
  }

  /**
   * The peer waits for packet `next`; `alone` if it had nothing else to say. Returns the packet to send again, if the
   * ack shows a loss. False if the ack is for something that was never sent.
   */
  ack(next: number, alone: boolean, now: number): Outgoing | undefined | false {
    if (next > this.#next) return false
    const first = this.#packets[0]
    if (first === undefined || next < first.number) return undefined
    if (next === first.number) {
      if (!alone || ++this.#duplicates !== DUPLICATE_ACKS) return undefined
      return this.#resendFirst(now)
    }
    const acked = this.#packets.splice(0, next - first.number)
    const last = acked.at(-1)
    // A packet that was sent twice tells nothing about time (Karn's algorithm), nor does one whose ack waited for it.
    if (last !== undefined && !acked.some(({ resent }) => resent)) this.measured(now - last.sentAt)
    this.#duplicates = 0
    this.#backoff = 1
    const left = this.#packets[0]
    if (left === undefined || left.number >= this.#recoverUntil) return undefined
    return this.#resendFirst(now)
  }

  /** When the first packet has to be sent again, or `undefined` if all are acked. */
  get deadline(): number | undefined {
    const first = this.#packets[0]
    return first === undefined ? undefined : first.sentAt + this.#timeoutMs
  }

  /** The packet to send again once {@link deadline} has passed. */
  expire(now: number): Outgoing | undefined {
    const { deadline } = this
    if (deadline === undefined || now < deadline) return undefined
    this.#backoff *= 2
    return this.#resendFirst(now)
  }

  /** The way has changed: nothing is known of its round trip, and what is under way may be lost. Returns all of that. */
  restart(now: number): readonly Outgoing[] {
    this.isMeasured = false
    this.rttMs = this.#variance = this.#duplicates = 0
    this.#backoff = 1
    this.#recoverUntil = this.#next
    this.lost += this.#packets.length
    for (const packet of this.#packets) Object.assign(packet, { sentAt: now, resent: true })
    return [...this.#packets]
  }

  #resendFirst(now: number): Outgoing {
    const first = this.#packets[0] as InFlight
    this.#recoverUntil = this.#next
    first.sentAt = now
    first.resent = true
    this.lost++
    this.lostBytes += first.payload.length
    return first
  }

  get #timeoutMs(): number {
    const guess = this.isMeasured ? this.rttMs + 4 * this.#variance : INITIAL_TIMEOUT_MS
    return Math.min(Math.max(guess, MIN_TIMEOUT_MS) * this.#backoff, MAX_TIMEOUT_MS)
  }

  /** How long an answer may take before the way is doubted. */
  get patienceMs(): number {
    return this.isMeasured ? Math.max(MIN_PATIENCE_MS, PATIENCE_ROUND_TRIPS * this.rttMs) : INITIAL_TIMEOUT_MS
  }

  /** A round trip took so many milliseconds. */
  measured(sample: number): void {
    if (!this.isMeasured) {
      this.isMeasured = true
      this.rttMs = sample
      this.#variance = sample / 2
    } else {
      this.#variance += (Math.abs(this.rttMs - sample) - this.#variance) / 4
      this.rttMs += (sample - this.rttMs) / 8
    }
  }
}

/** The receiving half: puts packets in order, each once. */
export class ReceiveWindow {
  readonly #early = new Map<number, Uint8Array>()
  /** The packet number that is waited for; what is sent as the ack. */
  next = 1

  /** Whether packets are here that came before their turn. */
  get hasGap(): boolean {
    return this.#early.size > 0
  }

  /** Takes a packet and returns the payloads whose turn has come. */
  accept(number: number, payload: Uint8Array): Uint8Array[] {
    if (number < this.next || number >= this.next + WINDOW_PACKETS) return []
    this.#early.set(number, payload)
    const ready: Uint8Array[] = []
    for (let head = this.#early.get(this.next); head !== undefined; head = this.#early.get(this.next)) {
      this.#early.delete(this.next++)
      ready.push(head)
    }
    return ready
  }
}
