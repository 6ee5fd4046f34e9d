import type { Clock, PluginContext } from '../../kernel/index.js'
import { ByteBudgets } from './byte-budget.js'
import { Deadlines } from './deadlines.js'
import type { OutgoingCall } from './outgoing-call.js'
import type { RpcSettings } from './options.js'

/** What calls of both directions share. */
export interface RpcEnvironment {
  readonly deadlines: Deadlines
  readonly options: RpcSettings
  readonly emit: PluginContext['events']['emit']
  /** What the unfinished messages on each connection must fit into. */
  readonly budgets: ByteBudgets
  /** Calls to other nodes that are under way. */
  readonly outgoing: Set<OutgoingCall>
  /** Why no call can be made any more, once that is so. */
  closed: Error | undefined
}

export function rpcEnvironment(clock: Clock, options: RpcSettings, emit: RpcEnvironment['emit']): RpcEnvironment {
  return {
    deadlines: new Deadlines(clock),
    options,
    emit,
    budgets: new ByteBudgets(options.maxIncomingBytes),
    outgoing: new Set(),
    closed: undefined
  }
}
