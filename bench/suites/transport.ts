import { bareDatagrams, meeting, ours, peers, type Meeting } from '../programs.js'
import type { Case, Suite, Variant } from '../suite.js'

/** Peers that are made for Node 22. */
const ON_PEERS_NODE = ['libp2p-tcp', 'libp2p-quic']

const NAMES = ['matrixai', 'libp2p-tcp', 'libp2p-quic', 'hyperdht']

const WITHOUT_HYPERDHT = NAMES.filter((name) => name !== 'hyperdht')

function between(name: string, unit: string, better: Case['better'], what: Meeting, names = NAMES): Case {
  const all = Object.fromEntries(
    names.map((peer): [string, Variant] => [peer, meeting(peers(`transport-${peer}`), what)])
  )
  return {
    name,
    unit,
    better,
    onPeersNode: ON_PEERS_NODE,
    ours: meeting(ours('transport'), what),
    peers: all
  }
}

const connecting = (again: 'full' | 'resumed' | 'early'): Meeting => ({ measure: 'firstByte', settings: { again } })

/**
 * A server and a client, each a process of its own, on loopback. Every contestant does the same through the same two
 * programs (transport/): a request of 9 bytes says how many bytes follow, and is answered with 8 bytes once they have
 * all arrived; bytes are written in chunks of 64 KiB, waiting when told to. Both sides are authenticated by their keys.
 *
 * - bulk-1350: transfers over one connection in datagrams of 1,350 bytes. `udp` is that many bare datagrams; libp2p over
 *   QUIC finds its size by itself (1,452 bytes at most) and takes no other; hyperdht too; over TCP there is no size.
 * - bulk-default: the same with the defaults, which on loopback means larger datagrams for ours.
 * - connect-first-byte: from wanting a connection to a known address to the answer to a first request, one after
 *   another. hyperdht looks peers up by key and does not take part. Nobody profits from having been there before;
 *   "resumed" and "early" tell what ours gains by a ticket, and by early data as well.
 * - connect-by-id: the same to a node of which only the id is known, by way of a network of 64 nodes. The client has
 *   joined through a bootstrap node, and has not met or looked up the node that it wants; ours answers a unary call,
 *   hyperdht on the bare connection.
 * - accept-rate: the same 16 at a time, hyperdht included (its look-up is in memory, on the same machine).
 * - small-under-bulk: the 99th percentile of small exchanges, each on a stream of its own, beside a transfer without
 *   end on the same connection. A connection of hyperdht is one stream: it does not take part.
 * - idle-memory: what each end of an idle connection holds, all on one socket where there are sockets to share.
 */
export const transport: Suite = {
  name: 'transport',
  cases: [
    {
      ...between('bulk-1350', 'MB/s', 'higher', {
        measure: 'bulk',
        amount: { quick: 4, full: 32 },
        settings: { datagramBytes: 1_350 }
      }),
      limit: { what: 'udp', measure: bareDatagrams }
    },
    between('bulk-default', 'MB/s', 'higher', { measure: 'bulk', amount: { quick: 8, full: 32 } }),
    {
      ...between('connect-first-byte', 'ms', 'lower', connecting('full'), WITHOUT_HYPERDHT),
      also: {
        resumed: meeting(ours('transport'), connecting('resumed')),
        early: meeting(ours('transport'), connecting('early'))
      }
    },
    {
      name: 'connect-by-id',
      unit: 'ms',
      better: 'lower',
      ours: meeting(ours('by-id'), { measure: 'firstByte' }),
      peers: { hyperdht: meeting(peers('by-id-hyperdht'), { measure: 'firstByte' }) }
    },
    between('accept-rate', 'connections/s', 'higher', {
      measure: 'acceptRate',
      settings: { inParallel: true, again: 'full' }
    }),
    between(
      'small-under-bulk',
      'ms',
      'lower',
      { measure: 'smallUnderBulk', amount: { quick: 8, full: 32 } },
      WITHOUT_HYPERDHT
    ),
    between('idle-memory', 'kB', 'lower', {
      measure: 'idleMemory',
      amount: { quick: 300, full: 5_000 },
      settings: { connections: 5_000, inParallel: true }
    })
  ]
}
