// One application, two transports: the same plugin, the same calls, over QUIC or over memory.
import { createNode, MemoryNetwork, memoryNetwork, memoryTransport, type Node, type Plugin } from 'peerloom'
import { calculator, calculatorApi } from '../calculator/index.js'

/** The plugins that differ from the standard ones, for the nth node. */
export type TransportChoice = (nth: number) => Plugin[]

/** Nothing to swap: QUIC over UDP is what a node uses. */
export const overQuic: TransportChoice = () => []

/** A network in this process, with 5 ms from host to host. */
export function overMemory(): TransportChoice {
  const network = new MemoryNetwork({ latencyMs: 5 })
  return (nth) => [memoryNetwork.with({ network, host: `10.0.0.${nth}` }), memoryTransport]
}

export interface Answers {
  squared: number
  sum: number
  counted: number[]
  echoed: number[]
  factorials: string
}

/** Starts a calculator and a node that knows it as its seed, calls all five methods, and stops both. */
export async function run(transport: TransportChoice): Promise<Answers> {
  await using server = await createNode({ plugins: [calculator, ...transport(1)] })
  await using caller = await createNode({ plugins: transport(2), seeds: [server.contact] })
  return await callAll(caller, server.id)
}

async function callAll(caller: Node, id: string): Promise<Answers> {
  const remote = caller.peer(id).rpc(calculatorApi)
  const values = (...numbers: number[]) => numbers.map((value) => ({ value }))

  const { value: squared } = await remote.SquaredNumberUnary({ value: 12 })
  const { value: sum } = await remote.AccumulateClient(values(1, 2, 3, 4, 5))
  const counted: number[] = []
  for await (const { value } of remote.CountServer({ value: 3 })) counted.push(value)
  const echoed: number[] = []
  for await (const { value } of remote.EchoDuplex(values(7, 8, 9))) echoed.push(value)
  const { body } = await remote.FactorialRaw({}, [new TextEncoder().encode('5')])
  let factorials = ''
  for await (const chunk of body) factorials += new TextDecoder().decode(chunk)
  return { squared, sum, counted, echoed, factorials }
}
