import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { NodeId } from '#src/model/index.js'
import { paths } from '#src/plugins/paths/index.js'
import {
  transportConformance,
  transportPathsConformance,
  type PathsPair,
  type TransportPair
} from '#src/testkit/index.js'
import { startNode } from './nodes.js'

const MAX_STREAMS = 16
const DRAIN_MS = 1_500

async function createPair(): Promise<TransportPair> {
  const options = { quic: { maxStreams: MAX_STREAMS, drainMs: DRAIN_MS, handshakeTimeoutMs: 1_000 } }
  const silent = createSocket('udp4')
  silent.bind(0, '127.0.0.1')
  const [a, b] = await Promise.all([startNode(options), startNode(options), once(silent, 'listening')])
  const nowhere = { host: '127.0.0.1', port: silent.address().port }
  let stopped = false
  // The suite looks at what comes before there is a handler.
  for (const node of [a, b]) node.transport.onConnection = undefined
  return {
    a,
    b,
    nowhere,
    stranger: NodeId.fromBytes(new Uint8Array(32).fill(9)),
    async stop() {
      if (!stopped) silent.close()
      stopped = true
      await Promise.all([a.stop(), b.stop()])
    }
  }
}

transportConformance({ name: 'quic-transport', maxStreams: MAX_STREAMS, createPair, describe, it })

async function createPathsPair(): Promise<PathsPair> {
  const options = { further: [paths.with({ timeoutMs: 500 })] }
  const silent = createSocket('udp4')
  silent.bind(0, '127.0.0.1')
  const [a, b] = await Promise.all([startNode(options), startNode(options), once(silent, 'listening')])
  return {
    a,
    b,
    nowhere: { host: '127.0.0.1', port: silent.address().port },
    async stop() {
      silent.close()
      await Promise.all([a.stop(), b.stop()])
    }
  }
}

transportPathsConformance({ name: 'quic-transport', createPair: createPathsPair, describe, it })
