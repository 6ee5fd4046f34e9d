import { createNode, printTree, toMermaid } from '../index.js'
import { untilInterrupted } from './signals.js'

export interface DescribeFlags {
  readonly json?: boolean
  readonly mermaid?: boolean
}

/** Starts a standard node that only this machine can reach, prints what it is made of, and stops it. */
export async function describe({ json = false, mermaid = false }: DescribeFlags): Promise<void> {
  const { signal, release } = untilInterrupted()
  try {
    const node = await createNode({ host: '127.0.0.1', signal })
    const description = node.kernel.describe()
    const text = json ? JSON.stringify(description) : mermaid ? toMermaid(description) : printTree(description)
    process.stdout.write(`${text}\n`)
    await node.stop()
  } catch (error) {
    // Whoever pressed Ctrl-C during the start got what they wanted.
    if (!signal.aborted) throw error
  } finally {
    release()
  }
}
