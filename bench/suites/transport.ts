import { meeting, ours, peers, type Meeting } from '../programs.js'
import type { Case, Suite, Variant } from '../suite.js'

/** Peers that are made for Node 22. */
const ON_PEERS_NODE = ['libp2p-tcp', 'libp2p-quic']

const names = ['matrixai', 'libp2p-tcp', 'libp2p-quic', 'hyperdht'] as const

function between(name: string, unit: string, better: Case['better'], what: Meeting): Case {
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

export const transport: Suite = {
  name: 'transport',
  cases: [
    between('bulk-1350', 'MB/s', 'higher', {
      measure: 'bulk',
      amount: { quick: 8, full: 32 },
      settings: { datagramBytes: 1_350 }
    }),
    between('bulk-default', 'MB/s', 'higher', { measure: 'bulk', amount: { quick: 8, full: 32 } }),
    between('connect-first-byte', 'ms', 'lower', { measure: 'firstByte' }),
    between('accept-rate', 'connections/s', 'higher', { measure: 'acceptRate', settings: { inParallel: true } }),
    between('idle-memory', 'kB', 'lower', {
      measure: 'idleMemory',
      amount: { quick: 300, full: 5_000 },
      settings: { connections: 5_000, inParallel: true }
    })
  ]
}
