// A node in a process of its own: prints its contact, answers the demo's calls, ends with its standard input.
import { createNode, definePlugin, RpcRegistry, unary } from 'peerloom'

const square = definePlugin({
  name: 'square',
  needs: { rpc: RpcRegistry },
  start: ({ rpc }) =>
    void rpc.register({ square: unary<{ value: number }, { value: number }>(({ value }) => ({ value: value ** 2 })) })
})

const node = await createNode({ host: '127.0.0.1', plugins: [square] })
process.stdout.write(`${node.contact.toString()}\n`)
process.stdin.on('end', () => void node.stop()).resume()
