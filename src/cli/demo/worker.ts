import { createNode, type Node } from '../../index.js'
import { sentenceOf } from '../failure.js'
import { calculator } from './calculator.js'

/** What the demo asks of a worker: nodes, joined through these seeds. */
export interface WorkOrder {
  readonly nodes: number
  readonly seeds: readonly string[]
}

/** What a worker says once its nodes have joined, or why they could not. */
export type WorkReport = { readonly contacts: readonly string[] } | { readonly failure: string }

/** A process of the demo: runs nodes until its parent lets go of it. */
export async function work(): Promise<void> {
  if (process.send === undefined) throw new Error('this command is for the demo alone; run "peerloom demo"')
  const nodes: Node[] = []
  // Ctrl-C reaches the whole process group; the parent decides when a worker stops.
  process.on('SIGINT', () => undefined)
  const parentGone = new Promise<void>((resolve) => process.once('disconnect', resolve))
  const order = await new Promise<WorkOrder>((resolve) =>
    process.once('message', resolve as (message: unknown) => void)
  )
  const report = (message: WorkReport): void => void process.send?.(message)
  try {
    const add = async (seeds: readonly string[]): Promise<string> => {
      const node = await createNode({ host: '127.0.0.1', seeds, plugins: [calculator] })
      nodes.push(node)
      return node.contact.toString()
    }
    // The first node of the whole network has nobody to join; all others join through it.
    const first = await add(order.seeds)
    const seeds = order.seeds.length > 0 ? order.seeds : [first]
    const others = await Promise.all(Array.from({ length: order.nodes - 1 }, () => add(seeds)))
    const contacts = [first, ...others]
    report({ contacts })
  } catch (error) {
    report({ failure: sentenceOf(error) })
  }
  await parentGone
  await Promise.allSettled(nodes.map((node) => node.stop()))
}
