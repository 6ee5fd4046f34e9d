import { expect } from 'chai'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { loadOrCreateKey } from '#src/plugins/identity/key-file.js'
import { keyFromSeed, nodeIdOf } from '#src/plugins/identity/keys.js'
import { NodeId } from '#src/model/index.js'

const OPEN = 0o644

describe('key file', () => {
  let directory: string
  let path: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'peerloom-key-'))
    path = join(directory, 'key.pem')
  })

  afterEach(() => rm(directory, { recursive: true }))

  const refusal = (file = path): string => {
    try {
      loadOrCreateKey(file)
    } catch (error) {
      expect(error).to.have.property('code', 'ERR_IDENTITY')
      expect((error as Error).message)
        .to.include(file)
        .and.not.match(/\n/)
      return (error as Error).message
    }
    throw new Error('was not refused')
  }

  const pemOf = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string

  const keep = async (content: string | Uint8Array): Promise<void> => {
    await writeFile(path, content, { mode: 0o600 })
  }

  it('is made for its owner alone, with its directory, and nothing beside it', async () => {
    path = join(directory, 'a', 'b', 'key.pem')
    loadOrCreateKey(path)
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect((await stat(join(directory, 'a'))).mode & 0o777).to.equal(0o700)
    expect((await stat(join(directory, 'a', 'b'))).mode & 0o777).to.equal(0o700)
    expect(await readdir(join(directory, 'a', 'b'))).to.deep.equal(['key.pem', 'key.pem.id'])
    expect(await readFile(path, 'utf8')).to.match(/^-----BEGIN PRIVATE KEY-----\n/)
  })

  it('gives the same id each time it is read', () => {
    expect(nodeIdOf(loadOrCreateKey(path))).to.equal(nodeIdOf(loadOrCreateKey(path)))
  })

  it('is made once when many start at the same moment', async () => {
    const STARTERS = 4
    const ROUNDS = 25
    // Worker threads meet at a barrier before each round, so that all of them find no file.
    const barrier = new SharedArrayBuffer(4)
    const source = `
      const { parentPort, workerData: { keyFile, keys, directory, barrier, starters, rounds } } = require('node:worker_threads')
      Promise.all([import(keyFile), import(keys)]).then(([{ loadOrCreateKey }, { nodeIdOf }]) => {
        const arrived = new Int32Array(barrier)
        const ids = []
        for (let round = 0; round < rounds; round++) {
          Atomics.add(arrived, 0, 1)
          while (Atomics.load(arrived, 0) < (round + 1) * starters) Atomics.wait(arrived, 0, Atomics.load(arrived, 0), 1)
          ids.push(nodeIdOf(loadOrCreateKey(directory + '/' + round)))
        }
        parentPort.postMessage(ids)
      })`
    const workerData = {
      keyFile: import.meta.resolve('#src/plugins/identity/key-file.js'),
      keys: import.meta.resolve('#src/plugins/identity/keys.js'),
      directory,
      barrier,
      starters: STARTERS,
      rounds: ROUNDS
    }
    const results = await Promise.all(
      Array.from({ length: STARTERS }, () => {
        const worker = new Worker(source, { eval: true, workerData })
        return new Promise<string[]>((resolve, reject) => worker.once('message', resolve).once('error', reject))
      })
    )
    for (const ids of results) expect(ids).to.deep.equal(results[0])
    expect(await readdir(directory)).to.have.length(2 * ROUNDS)
  }).timeout(20_000)

  if (process.platform !== 'win32') {
    it('is refused if anyone else can use it, with the command that helps', async () => {
      loadOrCreateKey(path)
      for (const mode of [OPEN, 0o640, 0o604, 0o620]) {
        await chmod(path, mode)
        expect(refusal()).to.include(`chmod 600 ${path}`)
      }
      await chmod(path, 0o400)
      loadOrCreateKey(path)
    })

    it('is refused if anyone can put another one in its place, with the command that helps', async () => {
      loadOrCreateKey(path)
      await chmod(directory, 0o777)
      expect(refusal()).to.include(`chmod o-w ${directory}`)
      expect(refusal(join(directory, 'other'))).to.include(`chmod o-w ${directory}`)
      expect(await readdir(directory)).to.have.length(2)
      // Also if a link in a safe place leads there.
      const safe = await mkdtemp(join(tmpdir(), 'peerloom-key-'))
      try {
        await symlink(path, join(safe, 'key.pem'))
        expect(refusal(join(safe, 'key.pem'))).to.include(`chmod o-w ${directory}`)
      } finally {
        await rm(safe, { recursive: true })
      }
      // As /tmp is: only owners replace their files.
      await chmod(directory, 0o1777)
      loadOrCreateKey(path)
    })

    it('is refused if it belongs to another user', async function () {
      // Only root can give files away.
      if (process.geteuid?.() !== 0) this.skip()
      loadOrCreateKey(path)
      await chown(path, 65534, 65534)
      expect(refusal()).to.include(`chown 0 ${path}`)
    })

    it('is used without a file beside it where none can be made', async () => {
      loadOrCreateKey(path)
      await rm(`${path}.id`)
      await chmod(directory, 0o555)
      const root = process.geteuid?.() === 0
      if (root) {
        await chown(path, 65534, 65534)
        process.seteuid?.(65534)
      }
      try {
        loadOrCreateKey(path)
      } finally {
        if (root) process.seteuid?.(0)
        await chmod(directory, 0o700)
      }
      expect(await readdir(directory)).to.deep.equal(['key.pem'])
    })

    it('is refused if it is a pipe, without waiting for a writer', () => {
      execFileSync('mkfifo', ['-m', '600', path])
      expect(refusal()).to.include('is not a file')
    })

    it('is refused if this user may not read it, or not make one', async () => {
      loadOrCreateKey(path)
      await chmod(path, 0)
      await chmod(directory, 0o500)
      // Root may read everything: be nobody for the moment.
      const uid = process.geteuid?.()
      if (uid === 0) process.seteuid?.(65534)
      try {
        expect(refusal()).to.include('EACCES')
        expect(refusal(join(directory, 'other'))).to.include('EACCES')
      } finally {
        if (uid === 0) process.seteuid?.(0)
        await chmod(directory, 0o700)
      }
    })

    it('is refused if it is a link that leads nowhere', async () => {
      await symlink(join(directory, 'missing'), path)
      expect(refusal()).to.include('ENOENT')
    })
  }

  it('is refused if it is a directory, or below a file', async () => {
    await mkdir(path)
    expect(refusal()).to.match(/directory|not a file/)
    const file = join(directory, 'file')
    await writeFile(file, '')
    expect(refusal(join(file, 'key.pem'))).to.include('ENOTDIR')
  })

  it('is refused if it is empty', async () => {
    for (const content of ['', ' \n']) {
      await keep(content)
      expect(refusal()).to.include('is empty')
    }
  })

  it('is refused if it is damaged or holds something else', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
    for (const content of [
      'not a key',
      pem.slice(0, 60),
      pem.slice(0, -5),
      pem.replace(/^M/m, '*'),
      pem.replaceAll('PRIVATE', 'PUBLIC'),
      publicKey.export({ format: 'pem', type: 'spki' }),
      privateKey.export({ format: 'der', type: 'pkcs8' }),
      privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'secret' }),
      new Uint8Array(119)
    ]) {
      await keep(content)
      expect(refusal()).to.match(/damaged|empty/)
    }
  })

  it('is refused if its key is of another kind', async () => {
    for (const { privateKey } of [
      generateKeyPairSync('x25519'),
      generateKeyPairSync('ed448'),
      generateKeyPairSync('ec', { namedCurve: 'P-256' })
    ]) {
      await keep(privateKey.export({ format: 'pem', type: 'pkcs8' }))
      expect(refusal()).to.match(/not Ed25519/)
    }
  })

  it('is refused if it is too large, without reading it all', async () => {
    await keep(new Uint8Array(10_000_000).fill(65))
    expect(refusal()).to.include('larger than 4096 bytes')
  })

  it('is not made anew if it is missing and was there before', async () => {
    const id = nodeIdOf(loadOrCreateKey(path))
    await copyFile(path, `${path}.backup`)
    await rm(path)
    expect(refusal())
      .to.match(/is missing/)
      .and.include(id)
      .and.include(`remove ${path}.id`)
    expect(await readdir(directory)).to.deep.equal(['key.pem.backup', 'key.pem.id'])
    await copyFile(`${path}.backup`, path)
    expect(nodeIdOf(loadOrCreateKey(path))).to.equal(id)
    await rm(path)
    await rm(`${path}.id`)
    expect(nodeIdOf(loadOrCreateKey(path))).to.not.equal(id)
  })

  it('is refused if it is another node’s than before, until that is said to be right', async () => {
    const before = nodeIdOf(loadOrCreateKey(path))
    const other = keyFromSeed(new Uint8Array(32))
    await keep(pemOf(other))
    expect(refusal()).to.include(before).and.include(nodeIdOf(other)).and.include(`remove ${path}.id`)
    await rm(`${path}.id`)
    expect(nodeIdOf(loadOrCreateKey(path))).to.equal(nodeIdOf(other))
    expect((await readFile(`${path}.id`, 'utf8')).trim()).to.equal(nodeIdOf(other))
    for (const content of ['', 'nobody', 'v'.repeat(1_000)]) {
      await writeFile(`${path}.id`, content)
      expect(refusal(`${path}.id`.slice(0, -3))).to.include('holds no node id; remove it')
    }
  })

  it('is refused, and not made, if it is not that of the node that is expected', async () => {
    const expected = nodeIdOf(keyFromSeed(new Uint8Array(32)))
    expect(() => loadOrCreateKey(path, expected)).to.throw(`is missing, and a new key would not be that of ${expected}`)
    expect(await readdir(directory)).to.deep.equal([])
    const id = nodeIdOf(loadOrCreateKey(path))
    expect(() => loadOrCreateKey(path, expected)).to.throw(`holds the key of ${id}, not of ${expected}`)
    loadOrCreateKey(path, id)
  })

  it('may hold both halves of the key, if they belong together', async () => {
    const seed = new Uint8Array(32).fill(7)
    const id = nodeIdOf(keyFromSeed(seed))
    const v2 = (publicHalf: Uint8Array): string => {
      const der = [
        Buffer.from('3051020101300506032b657004220420', 'hex'),
        seed,
        Buffer.from('812100', 'hex'),
        publicHalf
      ]
      return `-----BEGIN PRIVATE KEY-----\n${Buffer.concat(der).toString('base64')}\n-----END PRIVATE KEY-----\n`
    }
    await keep(v2(NodeId.toBytes(id)))
    expect(nodeIdOf(loadOrCreateKey(path))).to.equal(id)
    await keep(v2(NodeId.toBytes(nodeIdOf(keyFromSeed(new Uint8Array(32))))))
    expect(refusal()).to.include('do not belong together')
    await keep(v2(new Uint8Array(32)))
    expect(refusal()).to.include('do not belong together')
  })

  it('is refused if it holds more than one key, or a certificate too', async () => {
    const pem = pemOf(keyFromSeed(new Uint8Array(32)))
    await keep(pem + pemOf(keyFromSeed(new Uint8Array(32).fill(1))))
    expect(refusal()).to.include('more than one')
    await keep(`${pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`)
    expect(refusal()).to.include('more than one')
  })

  it('is left as it was when it is refused', async () => {
    await keep('damaged')
    refusal()
    expect(await readFile(path, 'utf8')).to.equal('damaged')
    expect(await readdir(directory)).to.deep.equal(['key.pem'])
  })
})
