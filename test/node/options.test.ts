import { expect } from 'chai'
import * as peerloom from '#src/index.js'
import type { Plugin } from '#src/index.js'

const exported: unknown[] = Object.values(peerloom)
const plugins = exported.filter(
  (value): value is Plugin => typeof value === 'object' && value !== null && 'launch' in value && 'schema' in value
)

/** What a plugin needs to be told. */
const REQUIRED: Record<string, object> = { 'level-store': { directory: 'store' } }

/** Paths of the issues that a plugin's schema has with a configuration. */
async function issuesOf(plugin: Plugin, config: unknown): Promise<string[]> {
  const { issues = [] } = await plugin.schema!['~standard'].validate(config)
  return issues.map(({ path = [] }) => path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'))
}

describe('the options of our plugins', () => {
  it('are those of every plugin', () => {
    expect(plugins.map(({ name }) => name)).to.include.members([
      'udp',
      'identity',
      'level-store',
      'bootstrap',
      'telemetry'
    ])
  })

  for (const plugin of plugins.filter(({ schema }) => schema !== undefined)) {
    it(`have defaults, and no others are taken: ${plugin.name}`, async () => {
      const required = REQUIRED[plugin.name] ?? {}
      expect(await issuesOf(plugin, required)).to.deep.equal([])
      expect(await issuesOf(plugin, { ...required, unheardOf: 1 })).to.deep.equal(['unheardOf'])
      expect(await issuesOf(plugin, 5)).to.deep.equal([''])
    })
  }
})
