import { createKernel, definePlugin, token, type Kernel, type KernelOptions, type Plugin } from '#src/kernel/index.js'

/** A contract for tests: `probe('a')` is always the same token. */
export const probe = (name: string) => token<{ name: string }>(`test/${name}`)

export interface Script {
  needs?: string[]
  optional?: string[]
  start?: (ctx: { signal: AbortSignal; defer: (f: () => unknown) => void }) => unknown
  stop?: () => unknown
  startTimeout?: number
  stopTimeout?: number
}

/** A plugin that notes when it starts and stops, and provides a contract of its own name. */
export function scripted(name: string, log: string[], script: Script = {}): Plugin {
  const toTokens = (names: string[] = []) => Object.fromEntries(names.map((other) => [other, probe(other)]))
  return definePlugin({
    name,
    needs: toTokens(script.needs),
    optional: toTokens(script.optional),
    provides: { own: probe(name) },
    startTimeout: script.startTimeout ?? 1000,
    stopTimeout: script.stopTimeout ?? 1000,
    async start(_, ctx) {
      ctx.defer(async () => {
        await script.stop?.()
        log.push(`-${name}`)
      })
      await script.start?.(ctx)
      log.push(`+${name}`)
      return { own: { name } }
    }
  })
}

export function kernelOf(plugins: KernelOptions['plugins'], options: Partial<KernelOptions> = {}): Kernel {
  return createKernel({ plugins, ...options })
}

/** What a promise rejected with; throws if it did not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('expected a rejection')
}
