import avvio from 'avvio'
import { usedBy } from './used-by.mjs'

/** See suites/kernel.ts. */
export function prepare(parts) {
  const plugins = Array.from({ length: parts }, (_, i) => {
    const uses = usedBy(i)
    return async (server) => {
      server.values[i] = uses.reduce((sum, j) => (sum + server.values[j]) % 1_000, 1)
      server.onClose(async () => {})
    }
  })
  return async () => {
    const server = { values: [] }
    const app = avvio(server, { autostart: false })
    for (const plugin of plugins) app.use(plugin)
    app.start()
    await app.ready()
    await app.close()
    if (server.values.length !== parts) throw new Error('not everything started')
  }
}
