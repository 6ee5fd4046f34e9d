import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PEERS_FOLDER } from './nodes.js'
import type { Figure, Variant } from './suite.js'

/** Milliseconds after which a program counts as hanging. */
const TIMEOUT_MS = 60_000
/** Characters of what a failed program said that are told. */
const MAX_SAID = 600

/** One of our programs, which are compiled. */
export const ours = (name: string): string => fileURLToPath(new URL(`ours/${name}.js`, import.meta.url))
/** A peer's program. They are plain JavaScript, since their packages and types are not always installed. */
export const peers = (name: string): string => `${PEERS_FOLDER}peers/${name}.mjs`

/** The time of a whole process in milliseconds, from its spawning to its end. */
export function wholeProcess(program: string): Variant {
  return async ({ node }) => {
    const begun = performance.now()
    await run(node, [program])
    return { value: performance.now() - begun, count: 1 }
  }
}

const CYCLES_MS = { quick: 500, full: 1_500 }

/** The mean time in milliseconds of a cycle that a program offers (see cycle.ts), in a process of its own. */
export function cycles(program: string, ...args: readonly number[]): Variant {
  return async ({ node, quick }) => {
    const runner = fileURLToPath(new URL('cycle.js', import.meta.url))
    const budgetMs = quick ? CYCLES_MS.quick : CYCLES_MS.full
    const said = await run(node, [runner, program, String(budgetMs), ...args.map(String)])
    return JSON.parse(said) as Figure
  }
}

/** Runs a program to its end and gives what it wrote. Rejects with what it wrote to standard error if it fails. */
function run(node: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS, killSignal: 'SIGKILL' })
    let said = ''
    let complained = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complained += text))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(said)
      else reject(new Error(`ended with ${signal ?? code ?? '?'}: ${complained.trim().slice(0, MAX_SAID)}`))
    })
  })
}
