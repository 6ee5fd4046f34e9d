import { Contact, createNode } from 'peerloom'
import type { Caller } from '../rpc/contender.js'
import { callerOf, methods, serve } from './rpc.js'

/** See suites/rpc.ts. The same calls by `node.peer(…).rpc(…)`, which look for the connection each time. */
export { serve }

export const connect = async ({ id, port }: { id: Contact['id']; port: number }): Promise<Caller> => {
  const node = await createNode({ host: '127.0.0.1' })
  return callerOf(node.peer(Contact.of(id, [{ host: '127.0.0.1', port }])).rpc(methods))
}
