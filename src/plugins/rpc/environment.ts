import type { Clock, Connection, PluginContext, Random } from '../../kernel/index.js'
import { ByteBudgets } from './byte-budget.js'
import { Deadlines } from './deadlines.js'
import { Gather } from './gather.js'
import { LaneSweep } from './lane-sweep.js'
import type { Lanes } from './lanes.js'
import { Lingering } from './lingering.js'
import { Load } from './load.js'
import type { OutgoingCall } from './outgoing-call.js'
import type { RpcSettings } from './options.js'
import type { Wire } from './wire.js'
import { wireChoice } from './wires.js'

/** What calls of both directions share. */
export interface RpcEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly deadlines: Deadlines
  readonly options: RpcSettings
  readonly emit: PluginContext['events']['emit']
  /** What is spoken on a connection. */
  readonly wireOf: (connection: Connection) => Wire
  /** Streams that are waited for although their calls are over. */
  readonly lingering: Lingering
  /** What the unfinished messages on each connection must fit into. */
  readonly budgets: ByteBudgets
  /** How much all connections have to do. */
  readonly load: Load
  /** Calls to other nodes that are under way, but for those on lanes. */
  readonly outgoing: Set<Pick<OutgoingCall, 'fail'>>
  /** What is said on lanes in one go. */
  readonly gather: Gather
  readonly sweep: LaneSweep
  /** The lanes of each connection that is served. */
  readonly lanes: WeakMap<Connection, Lanes>
  /** Why no call can be made any more, once that is so. */
  closed: Error | undefined
}

export function rpcEnvironment(
  { clock, random }: Pick<RpcEnvironment, 'clock' | 'random'>,
  options: RpcSettings,
  emit: RpcEnvironment['emit']
): RpcEnvironment {
  const deadlines = new Deadlines(clock)
  return {
    clock,
    random,
    deadlines,
    options,
    emit,
    wireOf: wireChoice(options.matrixProtocols),
    lingering: new Lingering(clock),
    budgets: new ByteBudgets(options.maxIncomingBytes),
    load: new Load(clock, options),
    outgoing: new Set(),
    gather: new Gather(),
    sweep: new LaneSweep(clock, options.laneIdleMs, (inUse) => (deadlines.lasting = inUse)),
    lanes: new WeakMap(),
    closed: undefined
  }
}
