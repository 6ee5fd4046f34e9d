import { bench, calling, ours, peers, type Calling } from '../programs.js'
import type { Case, Suite, Variant } from '../suite.js'

/** Peers that are made for Node 22. */
const ON_PEERS_NODE = ['libp2p-tcp', 'libp2p-quic']

const NAMES = ['matrixai', 'libp2p-tcp', 'libp2p-quic', 'hyperdht', 'grpc']
/** Those that run over UDP, so that datagrams can be lost. */
const OVER_UDP = ['matrixai', 'libp2p-quic', 'hyperdht']

function between(name: string, unit: string, better: Case['better'], what: Calling, names = NAMES): Case {
  const all = Object.fromEntries(names.map((peer): [string, Variant] => [peer, calling(peers(`rpc-${peer}`), what)]))
  return { name, unit, better, onPeersNode: ON_PEERS_NODE, ours: calling(ours('rpc'), what), peers: all }
}

const one = { measure: 'calls', amount: { quick: 1, full: 1 } }
const many = { measure: 'calls', amount: { quick: 64, full: 64 } }

/**
 * A server and a client, each a process of its own, over one connection on loopback. A call echoes `{"v":1}`: ours and
 * @matrixai/rpc carry it in JSON-RPC; libp2p opens a stream for it, and sends the same text behind its length;
 * protomux-rpc over hyperdht and gRPC without TLS carry that text as bytes, which nobody parses.
 *
 * - unary-sequential: one call after another. `udp` is a bare datagram that is sent back. `peer` is ours by
 *   `node.peer(…).rpc(…)`, which looks for the connection at each call.
 * - unary-64: 64 at a time.
 * - unary-64-lossy: the same in datagrams of 1,350 bytes through a process that holds each one back for 25 ms and loses
 *   2 % in each direction, the same for all. libp2p over TCP and gRPC have no datagrams to lose. hyperdht finds its peer
 *   by itself, so its stream is led through the process once it has.
 * - duplex-messages: messages that one call sends and is sent back, each of the size of a call's.
 * - server-stream-items: messages that one call answers.
 * - p99-under-bulk: the 99th percentile of calls one after another while a stream of 1 GiB, or as much of it as goes in
 *   the time, is sent over the same connection.
 */
export const rpc: Suite = {
  name: 'rpc',
  cases: [
    {
      ...between('unary-sequential', 'calls/s', 'higher', one),
      also: { peer: calling(ours('rpc-peer'), one) },
      limit: { what: 'udp', measure: calling(bench('rpc/udp'), one) }
    },
    { ...between('unary-64', 'calls/s', 'higher', many), also: { peer: calling(ours('rpc-peer'), many) } },
    {
      ...between(
        'unary-64-lossy',
        'calls/s',
        'higher',
        {
          ...many,
          settings: { datagramBytes: 1_350 },
          link: { rttMs: 50, loss: 0.02 },
          budgetMs: { quick: 4_000, full: 10_000 }
        },
        OVER_UDP
      ),
      without: {
        'libp2p-tcp': 'runs over TCP: there are no datagrams to lose',
        grpc: 'runs over TCP: there are no datagrams to lose'
      }
    },
    between('duplex-messages', 'messages/s', 'higher', {
      measure: 'exchanges',
      amount: { quick: 2_000, full: 10_000 }
    }),
    between('server-stream-items', 'items/s', 'higher', { measure: 'items', amount: { quick: 2_000, full: 10_000 } }),
    between('p99-under-bulk', 'ms', 'lower', {
      measure: 'callsUnderBulk',
      amount: { quick: 1_024, full: 1_024 },
      budgetMs: { quick: 3_000, full: 20_000 }
    })
  ]
}
