// Run as a process of its own: cycle.js PROGRAM BUDGET_MS ARG…
// A program exports `prepare(...args)`, whose result is done over and over.
import { pathToFileURL } from 'node:url'
import type { Figure } from './suite.js'

export interface Program {
  readonly prepare: (...args: number[]) => () => Promise<void>
}

/** The share of the time that is spent on warming up, in which V8 compiles. */
const WARM_UP = 0.3

const [program = '', budget = '', ...args] = process.argv.slice(2)
const { prepare } = (await import(pathToFileURL(program).href)) as Program
const cycle = prepare(...args.map(Number))

async function repeat(ms: number): Promise<Figure> {
  const begun = performance.now()
  let count = 0
  let spent = 0
  do {
    await cycle()
    count++
    spent = performance.now() - begun
  } while (spent < ms)
  return { value: spent / count, count }
}

await repeat(Number(budget) * WARM_UP)
process.stdout.write(JSON.stringify(await repeat(Number(budget))), () => process.exit(0))
