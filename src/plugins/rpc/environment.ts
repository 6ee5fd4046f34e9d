import type { Clock, PluginContext, Random } from '../../kernel/index.js'
import type { ByteBudgets } from './byte-budget.js'
import type { Load } from './load.js'
import type { OutgoingCall } from './outgoing-call.js'
import type { RpcSettings } from './options.js'

/** What calls of both directions share. */
export interface RpcEnvironment {
  readonly clock: Clock
  readonly random: Random
  readonly options: RpcSettings
  readonly emit: PluginContext['events']['emit']
  /** What the unfinished messages on each connection must fit into. */
  readonly budgets: ByteBudgets
  /** How much all connections have to do. */
  readonly load: Load
  /** Calls to other nodes that are under way. */
  readonly outgoing: Set<OutgoingCall>
  /** Why no call can be made any more, once that is so. */
  closed: Error | undefined
}
