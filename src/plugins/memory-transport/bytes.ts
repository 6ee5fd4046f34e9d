/** Writes the values of a packet one after another. */
export class Writer {
  readonly #bytes: number[] = []

  byte(value: number): this {
    this.#bytes.push(value)
    return this
  }

  /** An integer from 0 to 2^53 − 1 in groups of seven bits, lowest first (LEB128). */
  integer(value: number): this {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80)
    return this.byte(rest)
  }

  /** Bytes whose number the reader knows. */
  raw(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }

  /** Bytes after their number. */
  block(bytes: Uint8Array): this {
    return this.integer(bytes.length).raw(bytes)
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** Thrown by a {@link Reader} for bytes that are not what they should be; the decoders turn it into `undefined`. */
export class MalformedError extends Error {}

/** Reads the values of a packet. Every method throws {@link MalformedError} where the bytes end too early. */
export class Reader {
  #at = 0

  constructor(private readonly bytes: Uint8Array) {}

  get left(): number {
    return this.bytes.length - this.#at
  }

  byte(): number {
    const value = this.bytes[this.#at++]
    if (value === undefined) throw new MalformedError()
    return value
  }

  integer(): number {
    let value = 0
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (!Number.isSafeInteger(value)) throw new MalformedError()
      if (byte < 0x80) {
        // One spelling for each integer: no idle zero at its end.
        if (byte === 0 && scale > 1) throw new MalformedError()
        return value
      }
      // Eight groups hold 53 bits and more.
      if (scale >= 2 ** 49) throw new MalformedError()
    }
  }

  raw(length: number): Uint8Array {
    if (length > this.left) throw new MalformedError()
    const part = this.bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return part
  }

  block(): Uint8Array {
    return this.raw(this.integer())
  }

  rest(): Uint8Array {
    return this.raw(this.left)
  }
}
