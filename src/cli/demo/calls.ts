import type { AnyIterable, Peer } from '../../index.js'
import { methods, type Value } from './calculator.js'

/** What each of the five calls gave. */
export interface Answers {
  readonly SquaredNumberUnary: Value
  readonly AccumulateClient: Value
  readonly CountServer: readonly Value[]
  readonly EchoDuplex: readonly Value[]
  readonly FactorialRaw: { readonly result: string; readonly body: string }
}

export const EXPECTED: Answers = {
  SquaredNumberUnary: { value: 144 },
  AccumulateClient: { value: 15 },
  CountServer: [3, 4, 5, 6, 7].map((value) => ({ value })),
  EchoDuplex: [7, 8, 9].map((value) => ({ value })),
  FactorialRaw: { result: 'Starting factorial computation', body: '120' }
}

async function collect<T>(items: AnyIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

/** Calls a method of each kind on a peer, and tells of each answer as it comes. */
export async function callAll(
  peer: Peer,
  signal: AbortSignal,
  tell: (method: keyof Answers, answer: unknown) => void
): Promise<Answers> {
  const remote = peer.rpc(methods)
  const options = { signal }
  const told = <K extends keyof Answers>(method: K, answer: Answers[K]): Answers[K] => {
    tell(method, answer)
    return answer
  }
  const numbers = (values: readonly number[]): Value[] => values.map((value) => ({ value }))
  const factorial = async (): Promise<Answers['FactorialRaw']> => {
    const { result, body } = await remote.FactorialRaw({ start: true }, [new TextEncoder().encode('5')], options)
    return { result, body: Buffer.concat(await collect(body)).toString() }
  }
  return {
    SquaredNumberUnary: told('SquaredNumberUnary', await remote.SquaredNumberUnary({ value: 12 }, options)),
    AccumulateClient: told('AccumulateClient', await remote.AccumulateClient(numbers([1, 2, 3, 4, 5]), options)),
    CountServer: told('CountServer', await collect(remote.CountServer({ value: 3 }, options))),
    EchoDuplex: told('EchoDuplex', await collect(remote.EchoDuplex(numbers([7, 8, 9]), options))),
    FactorialRaw: told('FactorialRaw', await factorial())
  }
}
