import { expect } from 'chai'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Contact } from '#src/index.js'
import { Command } from './command.js'

describe('peerloom start', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'peerloom-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  const contactOf = async (command: Command): Promise<string> => (await command.says(/--seed '([^']+)'/))[1]!

  it('runs nodes that find each other, and stops in order on Ctrl-C and SIGTERM', async () => {
    await using a = new Command('start', '--host', '127.0.0.1', '--data', join(folder, 'a'))
    const seed = await contactOf(a)
    await using b = new Command('start', '--host', '127.0.0.1', '--seed', seed)
    const { id } = Contact.parse(await contactOf(b))
    await b.says(new RegExp(`connection.opened.*peer=${Contact.parse(seed).id.slice(0, 9)}`))
    await a.says(new RegExp(`connection.opened.*peer=${id.slice(0, 9)}`))
    b.signal('SIGINT')
    expect(await b.exit).to.equal(0)
    expect(b.out).to.contain('stopping')
    await a.says(new RegExp(`connection.closed.*peer=${id.slice(0, 9)}`))
    a.signal('SIGTERM')
    expect(await a.exit).to.equal(0)
    expect([a.err, b.err]).to.deep.equal(['', ''])
  }).timeout(20_000)

  it('keeps its id in --data, in a file that only its owner can read', async () => {
    const ids: string[] = []
    for (let i = 0; i < 2; i++) {
      await using command = new Command('start', '--host', '127.0.0.1', '--data', folder)
      ids.push(Contact.parse(await contactOf(command)).id)
      command.signal('SIGTERM')
      await command.exit
    }
    expect(ids[0]).to.equal(ids[1])
    expect(statSync(join(folder, 'node.key')).mode & 0o777).to.equal(0o600)
  }).timeout(10_000)

  it('stops in order when nobody reads its output any more', async () => {
    await using command = new Command('start', '--host', '127.0.0.1', '--json')
    await command.says(/plugin.started/)
    command.closeOutput()
    expect(await command.exit).to.equal(0)
    expect(command.err).to.equal('')
  }).timeout(10_000)

  it('prints every event as a line of JSON with --json', async () => {
    await using command = new Command('start', '--host', '127.0.0.1', '--json')
    await command.says(/"type":"node.ready"/)
    command.signal('SIGTERM')
    expect(await command.exit).to.equal(0)
    const events = command.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string })
    expect(events[0]).to.include({ type: 'plugin.started', name: 'telemetry' })
    expect(events.map(({ type }) => type)).to.include.members(['node.listening', 'kernel.started', 'kernel.stopping'])
    expect(events.at(-1)).to.include({ type: 'plugin.stopped', name: 'identity' })
  }).timeout(10_000)

  describe('says in one sentence what is wrong and exits with 1', () => {
    const refused = async (args: string[], ...words: string[]): Promise<void> => {
      await using command = new Command('start', '--host', '127.0.0.1', ...args)
      expect(await command.exit, command.out + command.err).to.equal(1)
      expect(command.out).to.equal('')
      expect(command.err.trim().split('\n'), command.err).to.have.length(1)
      for (const word of ['peerloom: ', ...words]) expect(command.err).to.contain(word)
    }

    it('when the port is taken', async () => {
      const socket = createSocket('udp4').bind(0, '127.0.0.1')
      await once(socket, 'listening')
      const { port } = socket.address()
      await refused(['--port', String(port)], String(port), 'taken')
      socket.close()
    })

    it('when a seed, a port or an option is malformed', async () => {
      await refused(['--seed', 'nonsense'], 'nonsense', 'not a contact')
      await refused(['--seed', `v${'0'.repeat(52)}@127.0.0.1:99999`], 'not a port')
      await refused(['--port', '70000'], '70000')
      await refused(['--prot', '1'], '--prot')
    }).timeout(10_000)

    it('when the host is not of this machine', () => refused(['--host', '203.0.113.7'], '203.0.113.7'))

    it('when the key file is damaged, not a file, or open to others', async () => {
      const key = join(folder, 'node.key')
      writeFileSync(key, '-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n', { mode: 0o600 })
      await refused(['--data', folder], key)
      writeFileSync(key, '')
      await refused(['--data', folder], key)
      chmodSync(key, 0o644)
      await refused(['--data', folder], key, 'chmod 600')
      rmSync(key)
      mkdirSync(key)
      await refused(['--data', folder], key)
    }).timeout(20_000)
  }).timeout(10_000)
})
