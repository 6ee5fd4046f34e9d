// Starts and stops a node in memory, or over QUIC; its standard error is a list of all that it loads: see hook.ts for
// what is imported; the rest, what is required and native libraries, is told at the end.
import { createRequire, register } from 'node:module'
import { pathToFileURL } from 'node:url'

register('./hook.js', import.meta.url)
const { createNode, memoryNetwork, memoryTransport } = await import('peerloom')
const node = await createNode(
  process.argv[2] === 'memory' ? { plugins: [memoryNetwork, memoryTransport] } : { host: '127.0.0.1' }
)
await node.stop()

const report = process.report.getReport() as unknown as { sharedObjects: string[] }
const native = report.sharedObjects.filter((file) => file.endsWith('.node'))
for (const file of [...Object.keys(createRequire(import.meta.url).cache), ...native]) {
  process.stderr.write(`${pathToFileURL(file).href}\n`)
}
