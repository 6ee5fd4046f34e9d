import { withDeadline, type Clock } from './clock.js'
import type { PluginState } from './describe.js'
import { messageOf } from './errors.js'
import type { KernelState } from './kernel.js'
import type { Health, Launched, Plugin } from './plugin.js'
import type { Session } from './session.js'

const HEALTH_TIMEOUT_MS = 1_000

/** The health of one plugin. */
export interface PluginHealth extends Health {
  readonly state: PluginState
}

/**
 * The health of a kernel and of each plugin. `ready`: everything has started and may be given work, which it may not
 * while something is replaced. `live`: no plugin says that it is beyond help; only a restart mends what is not live.
 */
export interface KernelHealth extends Health {
  readonly live: boolean
  readonly state: KernelState
  readonly plugins: Readonly<Record<string, PluginHealth>>
}

/** Asks every plugin that has started how it is. Never rejects. Its own state is that at the end, when all have answered. */
export async function askHealth(
  stateNow: () => KernelState,
  plugins: readonly Plugin[],
  session: Session | undefined,
  clock: Clock
): Promise<KernelHealth> {
  const entries = await Promise.all(
    plugins.map(async (plugin): Promise<[string, PluginHealth]> => {
      const running = session?.running(plugin)
      const pluginState = session?.stateOf(plugin) ?? 'idle'
      if (running?.launched === undefined || pluginState !== 'started') {
        return [plugin.name, { state: pluginState, ready: false, detail: `the plugin is ${pluginState}` }]
      }
      return [plugin.name, { ...(await ask(running.launched, clock)), state: pluginState }]
    })
  )
  const state = stateNow()
  return {
    state,
    ready: state === 'started' && entries.every(([, { ready }]) => ready),
    live: entries.every(([, { live }]) => live ?? true),
    plugins: Object.fromEntries(entries)
  }
}

async function ask({ health }: Launched, clock: Clock): Promise<Health> {
  if (health === undefined) return { ready: true }
  try {
    return await withDeadline(clock, HEALTH_TIMEOUT_MS, () => health())
  } catch (error) {
    return { ready: false, detail: messageOf(error) }
  }
}
