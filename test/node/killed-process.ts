import { Contact, createNode, definePlugin, identity, RpcRegistry, unary } from '#src/index.js'

/**
 * A node in a process that is to be killed: `seed port`, the key and where it listens. Says its contact, calls the nodes
 * that it is sent the contacts of, and says what they answer.
 */
export const api = {
  pid: unary<object, { pid: number }>(() => ({ pid: process.pid })),
  pidAgain: unary<object, { pid: number }>(() => ({ pid: process.pid }), { idempotent: true })
}

export const pids = definePlugin({
  name: 'pids',
  needs: { rpc: RpcRegistry },
  start({ rpc }) {
    rpc.register(api)
  }
})

export function identityOf(seed: number): ReturnType<typeof identity.with> {
  return identity.with({ seed: new Uint8Array(32).fill(seed) })
}

if (process.send !== undefined) {
  const [seed, port] = process.argv.slice(2).map(Number)
  const node = await createNode({ plugins: [identityOf(seed!), pids], host: '127.0.0.1', port: port! })
  process.on('message', (contact: string) => {
    const called = node.peer(Contact.parse(contact)).rpc(api).pid({}, { timer: 2_000 })
    called.then(
      ({ pid }) => process.send!({ pid }),
      (error: unknown) => process.send!({ error: String(error) })
    )
  })
  process.send({ contact: String(node.contact) })
}
