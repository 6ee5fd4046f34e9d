import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { systemClock, type DatagramSocket } from '#src/kernel/index.js'
import { Driver, type DriverHost } from '#src/plugins/quic-transport/driver.js'
import type { NativeConnection } from '#src/plugins/quic-transport/quiche.js'

const remote = { host: '127.0.0.1', port: 1 }
const socket = { local: remote } as DatagramSocket
const datagram = new Uint8Array(100)

/** A driver of a library that has nothing but acknowledgements to send. */
function rig(): { receive: () => void; end: () => void; flushes: () => number; handOver: (anything: boolean) => void } {
  let flushes = 0
  let handsOver = false
  const native = {
    sourceId: () => new Uint8Array(20),
    isEstablished: () => true,
    isDraining: () => false,
    isClosed: () => false,
    retiredScidNext: () => null,
    activeSourceCids: () => 8,
    sourceCidsLeft: () => 0,
    timeout: () => null,
    recv: () => datagram.length,
    send: () => null
  }
  const ignore = (): void => undefined
  const host = {
    clock: systemClock,
    keepAliveMs: 0,
    beginSending: () => {
      flushes++
    },
    room: () => datagram,
    route: ignore,
    unroute: ignore,
    failed: (error: unknown) => {
      throw error
    }
  }
  const owner = {
    early: ignore,
    established: ignore,
    arrived: ignore,
    send: () => handsOver,
    expired: ignore,
    ended: ignore,
    gone: ignore
  }
  const driver = new Driver({
    native: native as unknown as NativeConnection,
    host: host as unknown as DriverHost,
    owner,
    isClient: false,
    local: remote,
    way: { socket, remote },
    datagramBytes: 1_200,
    handshakeTimeoutMs: 60_000
  })
  return {
    receive: () => void driver.receive(datagram, remote, socket),
    end: () => {
      driver.abandon()
    },
    flushes: () => flushes,
    handOver: (anything) => (handsOver = anything)
  }
}

describe('acknowledgements', () => {
  it('wait while datagrams come in every turn, but not for more than 32', async () => {
    const { receive, end, flushes } = rig()
    for (let i = 0; i < 31; i++) {
      receive()
      await setImmediate()
    }
    expect(flushes()).to.equal(0)
    receive()
    await setImmediate()
    expect(flushes()).to.equal(1)
    end()
  })

  it('go out in the first turn in which none comes in', async () => {
    const { receive, end, flushes } = rig()
    receive()
    await setImmediate()
    expect(flushes()).to.equal(0)
    await setImmediate()
    expect(flushes()).to.equal(1)
    end()
  })

  it('go out with whatever else is sent', async () => {
    const { receive, end, flushes, handOver } = rig()
    receive()
    handOver(true)
    await setImmediate()
    expect(flushes()).to.equal(1)
    end()
  })
})
