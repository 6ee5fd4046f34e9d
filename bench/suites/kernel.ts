import { cycles, ours, peers, wholeProcess } from '../programs.js'
import type { Case, Suite } from '../suite.js'

/**
 * A cycle starts and stops a system of N parts, each of which uses one or two earlier ones: its predecessor and the one
 * half as far along, or, every third, the latter alone. Every part is an async function (or, for NestJS, an async factory) that adds up what it uses and
 * registers an async clean-up; all are defined once, outside the cycle, and each cycle builds the system from them.
 *
 * - ours: N plugins, each with a contract of its own, and needs as above. The graph is checked and everything that can
 *   start at once does; every plugin has its deadlines and stops in reverse.
 * - avvio knows an order and no dependencies: N plugins one after another, each reading its values from a shared object,
 *   with an `onClose`. It is given no timeout, which is its default and its fastest.
 * - nestjs, where what others call a plugin is a module: N modules that import those they use, each with an async
 *   factory for its value, whose instance has `onModuleDestroy`.
 * - nestjs-providers: the same N factories in one module. A provider is less than a plugin, but this is the fastest that
 *   NestJS can do.
 */
const startStop = (parts: number): Case => ({
  name: `start-stop-${parts}`,
  unit: 'ms',
  better: 'lower',
  ours: cycles(ours('start-stop'), parts),
  peers: {
    avvio: cycles(peers('start-stop-avvio'), parts),
    nestjs: cycles(peers('start-stop-nestjs'), parts),
    'nestjs-providers': cycles(peers('start-stop-nestjs-providers'), parts)
  }
})

/**
 * A whole process, from its spawning to its end: import, start a node in memory that listens, stop it, exit. Ours is a
 * complete node, with its routing table, RPC and connector; libp2p has its memory transport, noise and yamux, and no
 * services. Both run on the same Node. Both exit by themselves after the stop, since libp2p leaves a timer behind that
 * would keep its process for another second.
 */
const coldStart: Case = {
  name: 'cold-start',
  unit: 'ms',
  better: 'lower',
  turns: 5,
  node: 'peers',
  ours: wholeProcess(ours('cold-start')),
  peers: { 'libp2p-memory': wholeProcess(peers('cold-start-libp2p')) },
  also: { "ours on the bench's Node": wholeProcess(ours('cold-start')) }
}

export const kernel: Suite = {
  name: 'kernel',
  cases: [startStop(10), startStop(100), startStop(1_000), coldStart]
}
