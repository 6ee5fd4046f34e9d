export { fromClass, plugin, toPlugin, use, useOptional, type PluginClass, type PluginInstance } from './class-plugin.js'
export { checkPolicies, wasCutOff, withPolicies, type PolicySurroundings, type UnaryCall } from './call-policies.js'
export { checkSignal } from './check-signal.js'
export { Clock, clockScheduler, sleep, systemClock, withDeadline, type ClockTimer } from './clock.js'
export * from './contracts/index.js'
export * from './errors.js'
export * from './events.js'
export {
  printTree,
  toMermaid,
  type DependencyDescription,
  type KernelDescription,
  type PluginDescription,
  type PluginState
} from './describe.js'
export {
  createKernel,
  Kernel,
  MAX_WAITING_REPLACEMENTS,
  type KernelCallOptions,
  type KernelOptions,
  type KernelState
} from './kernel.js'
export type { KernelHealth, PluginHealth } from './health.js'
export { namedLogger, silentLogger, type Logger } from './log.js'
export {
  definePlugin,
  forPlugin,
  type Consumer,
  type Dependencies,
  type Health,
  type PerConsumer,
  type Plugin,
  type PluginContext,
  type PluginDefinition,
  type Provided,
  type Resolved,
  type TokenMap
} from './plugin.js'
export { Random, systemRandom } from './random.js'
export { type Registration } from './scope.js'
export { repeat, type RepeatOptions } from './repeat.js'
export {
  describeToken,
  isMulti,
  multiToken,
  token,
  tokenName,
  type AnyToken,
  type MultiToken,
  type ProvidedType,
  type Token,
  type TokenType
} from './token.js'
export { untilAborted } from './until-aborted.js'
