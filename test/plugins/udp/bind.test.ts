import { expect } from 'chai'
import { createSocket, type Socket, type SocketOptions } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { bind, type Bound } from '#src/plugins/udp/bind.js'

/** A socket that the system refuses to bind. */
function refusing(code: string, closed: string[]): Socket {
  return Object.assign(new EventEmitter(), {
    bind(this: EventEmitter) {
      process.nextTick(() => this.emit('error', Object.assign(new Error(`bind ${code}`), { code })))
    },
    close: () => closed.push(code)
  }) as unknown as Socket
}

const failure = (work: Promise<Bound>): Promise<Error> =>
  work.then(
    () => {
      throw new Error('was bound')
    },
    (error: unknown) => error as Error
  )

describe('binding a socket', () => {
  for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
    it(`falls back to IPv4 where IPv6 is missing (${code})`, async () => {
      const closed: string[] = []
      const factory = (options: SocketOptions): Socket =>
        options.type === 'udp6' ? refusing(code, closed) : createSocket(options)
      const { socket, local, families } = await bind({ host: '::', port: 0 }, factory)
      socket.close()
      expect(local.host).to.equal('0.0.0.0')
      expect([...families]).to.deep.equal([4])
      expect(closed).to.deep.equal([code])
    })
  }

  it('does not fall back for any other reason, or from a host that was asked for', async () => {
    const asked: unknown[] = []
    const refuse = (code: string) => (options: SocketOptions) => {
      asked.push(options.type)
      return refusing(code, [])
    }
    expect(await failure(bind({ host: '::', port: 1 }, refuse('EADDRINUSE')))).to.have.property('code', 'ERR_SOCKET')
    expect(await failure(bind({ host: '::1', port: 1 }, refuse('EAFNOSUPPORT')))).to.have.property('code', 'ERR_SOCKET')
    expect(asked).to.deep.equal(['udp6', 'udp6'])
  })

  it('tells of the port that is taken when falling back did not help', async () => {
    const factory = ({ type }: SocketOptions): Socket => refusing(type === 'udp6' ? 'EAFNOSUPPORT' : 'EADDRINUSE', [])
    expect((await failure(bind({ host: '::', port: 7 }, factory))).message).to.include('port 7 is taken on 0.0.0.0')
  })

  it('explains each refusal in one sentence and keeps the cause', async () => {
    const sentences: Record<string, string> = {
      EADDRINUSE: 'is taken',
      EACCES: 'needs rights',
      EADDRNOTAVAIL: 'no address of this machine',
      EAFNOSUPPORT: 'has no IPv4',
      EMFILE: 'ulimit -n',
      EWHATEVER: '(EWHATEVER)'
    }
    for (const [code, part] of Object.entries(sentences)) {
      const error = await failure(bind({ host: '127.0.0.1', port: 80 }, () => refusing(code, [])))
      expect(error).to.have.property('code', 'ERR_SOCKET')
      expect(error.message).to.include(part).and.include('127.0.0.1')
      expect(error.cause).to.have.property('code', code)
    }
  })

  it('lives with a system that does not allow its buffers', async () => {
    const factory = (options: SocketOptions): Socket => {
      const refuse = (): never => {
        throw new Error('ERR_SOCKET_BUFFER_SIZE')
      }
      return Object.assign(createSocket(options), { setRecvBufferSize: refuse, setSendBufferSize: refuse })
    }
    const request = { host: '127.0.0.1', port: 0, receiveBufferBytes: 1, sendBufferBytes: 1 }
    const { socket, local } = await bind(request, factory)
    socket.close()
    expect(local.port).to.be.greaterThan(0)
  })

  it('asks for the buffers it was told to', async () => {
    const buffers = { receiveBufferBytes: 65_536, sendBufferBytes: 32_768 }
    const { socket } = await bind({ host: '127.0.0.1', port: 0, ...buffers })
    // Linux doubles what it is asked for.
    expect(socket.getRecvBufferSize()).to.be.oneOf([65_536, 131_072])
    expect(socket.getSendBufferSize()).to.be.oneOf([32_768, 65_536])
    socket.close()
  })

  it('takes other spellings of a host', async () => {
    for (const [host, canonical, families] of [
      ['0:0::0', '::', [6, 4]],
      ['::ffff:127.0.0.1', '127.0.0.1', [4]]
    ] as const) {
      const bound = await bind({ host, port: 0 })
      bound.socket.close()
      expect(bound.local.host).to.equal(canonical)
      expect([...bound.families]).to.deep.equal(families)
    }
  })
})
