import { expect } from 'chai'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, identity, memoryNetwork, memoryStore, memoryTransport, prepareNode, Store } from 'peerloom'

const plugins = [memoryNetwork, memoryTransport]

interface Failure {
  readonly code: string
  readonly message: string
  readonly cause?: { readonly code: string }
}

async function failureOf(work: () => unknown): Promise<Failure> {
  try {
    await work()
  } catch (error) {
    return error as Failure
  }
  throw new Error('expected a failure')
}

describe('the directory of a node', () => {
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'peerloom-'))))
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  it('keeps its key and its store', async () => {
    const directory = join(folder, 'new')
    const first = await createNode({ directory, plugins })
    await first.kernel.resolve(Store).put('kept', Uint8Array.of(7))
    await first.stop()
    await using second = await createNode({ directory, plugins })
    expect(second.id).to.equal(first.id)
    expect(await second.kernel.resolve(Store).get('kept')).to.deep.equal(Uint8Array.of(7))
  })

  it('belongs to one node at a time', async () => {
    await using node = await createNode({ directory: folder, plugins })
    const error = await failureOf(() => createNode({ directory: folder, plugins }))
    expect(error.code).to.equal('ERR_START')
    expect(error.cause?.code).to.equal('ERR_STORE')
    expect(error.message).to.contain(join(folder, 'store'))
    expect((await node.health()).ready).to.equal(true)
  })

  it('may lose its key file or its store to plugins of the user, and says so if nothing is left for it', async () => {
    await using stored = await createNode({ directory: folder, plugins: [...plugins, identity] })
    await stored.kernel.resolve(Store).put('key', Uint8Array.of(1))
    const error = await failureOf(() => createNode({ directory: folder, plugins: [...plugins, memoryStore] }))
    expect(error.code).to.equal('ERR_CONFIG')
    expect(error.message).to.contain('"directory" configures level-store')
  })
})

describe('a node that is prepared', () => {
  it('starts when it is told to, and knows its id from then on', async () => {
    const node = prepareNode({ plugins })
    expect(() => node.id)
      .to.throw()
      .with.property('code', 'ERR_STATE')
    expect(node.kernel.describe().plugins.map(({ state }) => state)).to.include('idle')
    await node.start()
    const { id } = node
    await node.stop()
    expect(node.id).to.equal(id)
  })
})
