import type { Clock } from './clock.js'
import { DeadlineError, KernelError } from './errors.js'
import type { Launched, Plugin } from './plugin.js'
import type { Scope } from './scope.js'

/**
 * Starts one plugin. Its deadline covers its own start alone, so a plugin that hangs is blamed by its own name. Throws
 * or rejects with what the plugin did, with `ERR_DEADLINE`, or with `ERR_PLUGIN` if the plugin returned something other
 * than what it provides. A plugin whose start needs no waiting is started without any.
 */
export function launch(
  plugin: Plugin,
  dependencies: Record<string, unknown>,
  scope: Scope,
  config: unknown,
  clock: Clock
): Launched | Promise<Launched> {
  const launched = plugin.launch(dependencies, scope.context(config))
  return launched instanceof Promise
    ? inTime(plugin, launched, scope, clock).then((value) => checked(plugin, value))
    : checked(plugin, launched)
}

function inTime<T>({ name, startTimeout }: Plugin, started: Promise<T>, scope: Scope, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      forget()
      reject(new DeadlineError(`plugin ${name} did not start within ${String(startTimeout)} ms`))
    }, startTimeout)
    // A start that is given up may never settle.
    const forget = scope.defer(() => {
      timer.clear()
    })
    const settle = (): void => {
      timer.clear()
      forget()
      resolve(started)
    }
    started.then(settle, settle)
  })
}

/** Refuses what is not what the plugin said it would provide. */
function checked(plugin: Plugin, launched: Launched): Launched {
  const promised = Object.keys(plugin.provides)
  const returned = (launched.provided ?? {}) as Record<string, unknown>
  const extra = Object.keys(typeof returned === 'object' ? returned : {}).filter((name) => !(name in plugin.provides))
  const missing = promised.filter((name) => returned[name] === undefined || returned[name] === null)
  if (missing.length > 0 || (extra.length > 0 && promised.length > 0)) {
    const said = [...missing.map((name) => `no ${name}`), ...extra.map((name) => `an unexpected ${name}`)]
    throw new KernelError('ERR_PLUGIN', `plugin ${plugin.name} returned ${said.join(', ')} from start`)
  }
  return launched
}
