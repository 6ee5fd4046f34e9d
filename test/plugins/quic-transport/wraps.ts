import type { DatagramHandler, Datagrams } from '#src/kernel/index.js'
import type { Address } from '#src/model/index.js'
import type { Wrap } from './nodes.js'

export interface Taps {
  /** False: the datagram is lost. */
  readonly send?: (data: Uint8Array, to: Address) => boolean
  readonly receive?: (data: Uint8Array, from: Address) => boolean
}

/** Puts taps between a transport and its primary socket. */
export function tapped({ send, receive }: Taps): Wrap {
  return (datagrams: Datagrams): Datagrams => {
    const inner = datagrams.primary
    const primary: Datagrams['primary'] = {
      local: inner.local,
      families: inner.families,
      get stats() {
        return inner.stats
      },
      send: (data, to) => {
        if (send === undefined || send(data, to)) inner.send(data, to)
      },
      receive: (kind, handler: DatagramHandler) =>
        inner.receive(kind, (data, from, socket) => {
          if (receive === undefined || receive(data, from)) handler(data, from, socket)
        }),
      close: () => inner.close()
    }
    return {
      primary,
      sockets: datagrams.sockets,
      addresses: datagrams.addresses,
      maxDatagram: (to) => datagrams.maxDatagram(to),
      open: (options) => datagrams.open(options),
      resolve: (host, options) => datagrams.resolve(host, options)
    }
  }
}

/** Shows a transport its peers, all of whom are on loopback, as if they were at another host. */
export function seenAt(host: string): Wrap {
  return (datagrams: Datagrams): Datagrams => {
    const { primary } = datagrams
    return {
      primary: {
        local: primary.local,
        families: primary.families,
        stats: primary.stats,
        send: (data, { port }) => {
          primary.send(data, { host: '127.0.0.1', port })
        },
        receive: (kind, handler: DatagramHandler) =>
          primary.receive(kind, (data, { port }, socket) => {
            handler(data, { host, port }, socket)
          }),
        close: () => primary.close()
      },
      sockets: datagrams.sockets,
      addresses: datagrams.addresses,
      maxDatagram: (to) => datagrams.maxDatagram(to),
      open: (options) => datagrams.open(options),
      resolve: (name, options) => datagrams.resolve(name, options)
    }
  }
}

/** Numbers in [0, 1) from a seed (a linear congruential generator, Numerical Recipes' constants). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
