import { createKernel, definePlugin, token, type Plugin } from 'peerloom'

interface Part {
  readonly value: number
}

/** See suites/kernel.ts. */
export function prepare(parts: number): () => Promise<void> {
  const contracts = Array.from({ length: parts }, (_, i) => token<Part>(`part-${i}`))
  const contractOf = (i: number) => contracts[i] as (typeof contracts)[number]
  const plugins = contracts.map((contract, i): Plugin => {
    const needs = Object.fromEntries(usedBy(i).map((j) => [`part${j}`, contractOf(j)]))
    return definePlugin({
      name: `part-${i}`,
      needs,
      provides: { part: contract },
      // eslint-disable-next-line @typescript-eslint/require-await
      async start(dependencies, context) {
        const value = Object.values(dependencies).reduce((sum, { value }) => (sum + value) % 1_000, 1)
        context.defer(async () => Promise.resolve())
        return { part: { value } }
      }
    })
  })
  return async () => {
    const kernel = createKernel({ plugins })
    await kernel.start()
    await kernel.stop()
  }
}

/** The earlier parts that a part uses: up to two. */
function usedBy(i: number): number[] {
  if (i === 0) return []
  return i % 3 === 0 ? [i >> 1] : [...new Set([i - 1, i >> 1])]
}
