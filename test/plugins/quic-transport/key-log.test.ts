import { expect } from 'chai'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readChunk, type LifecycleError, type PeerloomError, type Stream } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { KeyLog } from '#src/plugins/quic-transport/key-log.js'
import { connectedPair, startNode } from './nodes.js'

const LABELS = [
  'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
  'CLIENT_TRAFFIC_SECRET_0',
  'SERVER_HANDSHAKE_TRAFFIC_SECRET',
  'SERVER_TRAFFIC_SECRET_0'
]
/** A label, the client's random and a secret of SHA-256 or SHA-384, each in hexadecimal. */
const LINE = /^([A-Z_0-9]+) ([0-9a-f]{64}) (?:[0-9a-f]{64}|[0-9a-f]{96})$/

describe('the key log of the QUIC transport', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'peerloom-keys-'))
    path = join(directory, 'keys.log')
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  /** The labels of each connection, by its client's random. */
  function logged(): Map<string, string[]> {
    const found = new Map<string, string[]>()
    const text = readFileSync(path, 'utf8')
    expect(text).to.match(/\n$/)
    for (const line of text.trimEnd().split('\n')) {
      const [, label = '', random = ''] = LINE.exec(line) ?? []
      expect(label, line).to.not.equal('')
      found.set(random, [...(found.get(random) ?? []), label].sort())
    }
    return found
  }

  for (const side of ['dialler', 'acceptor'] as const) {
    it(`has the secrets of both sides of every connection, written by the ${side}`, async () => {
      const [with_, without] = [{ quic: { keyLogFile: path } }, {}]
      await using pair = await connectedPair(...(side === 'dialler' ? [with_, without] : [without, with_]))
      await Promise.all([pair.a.transport.dial(pair.b.id, pair.b.address), pair.b.accepted()])
      const connections = [...logged().values()]
      expect(connections.length).to.equal(2)
      for (const labels of connections) expect(labels).to.include.members(LABELS)
      expect(statSync(path).mode & 0o777).to.equal(0o600)
      expect(readdirSync(directory)).to.deep.equal(['keys.log'])
      // The connections go on as any other.
      const arrived = new Promise<Stream>((resolve) => (pair.in.onStream = resolve))
      const stream = await pair.out.open()
      stream.end(Uint8Array.of(1))
      expect([...((await readChunk(await arrived)) ?? [])]).to.deep.equal([1])
    })
  }

  it('is added to, and closed to others, where it was there before', async () => {
    writeFileSync(path, '# before\n', { mode: 0o644 })
    chmodSync(path, 0o644)
    await using pair = await connectedPair({ quic: { keyLogFile: path } })
    expect(pair.out.closeInfo).to.equal(undefined)
    const text = readFileSync(path, 'utf8')
    expect(text.startsWith('# before\n')).to.equal(true)
    expect(text.match(/^CLIENT_TRAFFIC_SECRET_0 /gm)?.length).to.equal(2)
    expect(statSync(path).mode & 0o777).to.equal(0o600)
  })

  it('leaves nothing behind of a handshake that fails', async () => {
    await using a = await startNode({ quic: { keyLogFile: path } })
    await using b = await startNode()
    const stranger = NodeId.fromBytes(new Uint8Array(32).fill(7))
    await a.transport.dial(stranger, b.address).catch((error: unknown) => error)
    expect([...logged().values()].flat()).to.include('SERVER_HANDSHAKE_TRAFFIC_SECRET')
    expect(readdirSync(directory)).to.deep.equal(['keys.log'])
  })

  it('stops the start with ERR_KEY_LOG where it cannot be written', async () => {
    mkdirSync(path)
    for (const keyLogFile of [path, join(directory, 'missing', 'keys.log')]) {
      const error = await startNode({ quic: { keyLogFile } }).then(
        () => undefined,
        (thrown: unknown) => thrown as LifecycleError
      )
      const failed = error?.outcomes.find(({ plugin }) => plugin === 'quic-transport')?.error as PeerloomError
      expect(failed.code).to.equal('ERR_KEY_LOG')
      expect(failed.message).to.contain(keyLogFile)
    }
  })

  it('says that it is on, and what it could not write, while the handshake goes on', () => {
    const warnings: string[] = []
    const log = new KeyLog(path, (message) => warnings.push(message))
    expect(warnings).to.have.lengthOf(1)
    expect(warnings[0]).to.contain(path)
    const over = log.follow({
      setKeylog: () => {
        throw new Error('no room')
      }
    } as never)
    over()
    expect(warnings[1]).to.contain('no room')
    expect(readdirSync(directory)).to.deep.equal(['keys.log'])
    log.close()
  })
})
