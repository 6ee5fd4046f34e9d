import { createSocket, type Socket, type SocketOptions } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { PeerloomError } from '../../kernel/index.js'
import { Address } from '../../model/index.js'

/** Makes a dgram socket: node's own function, or a test's. */
export type SocketFactory = (options: SocketOptions) => Socket

export interface BindRequest {
  /** An IP address; `::` is everywhere, in both families where the system has both. */
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly receiveBufferBytes?: number
  readonly sendBufferBytes?: number
}

export interface Bound {
  readonly socket: Socket
  readonly local: Address
  readonly families: ReadonlySet<4 | 6>
}

const EVERYWHERE = '::'
const EVERYWHERE_IPV4 = '0.0.0.0'

/** What a system without IPv6 answers: no such family, or none of its addresses. */
const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EADDRNOTAVAIL'])

/** Binds a UDP socket; rejects with `ERR_SOCKET`. */
export async function bind(wanted: BindRequest, factory: SocketFactory = createSocket): Promise<Bound> {
  const request = { ...wanted, host: Address.canonicalHost(wanted.host.toLowerCase()) }
  try {
    return await bindOnce(request, factory)
  } catch (error) {
    const fallBack = request.host === EVERYWHERE && NO_IPV6.has(codeOf(error))
    if (!fallBack) throw asSocketError(error, request)
  }
  const withoutIPv6 = { ...request, host: EVERYWHERE_IPV4 }
  try {
    return await bindOnce(withoutIPv6, factory)
  } catch (error) {
    throw asSocketError(error, withoutIPv6)
  }
}

async function bindOnce({ host, port, receiveBufferBytes, sendBufferBytes }: BindRequest, factory: SocketFactory) {
  const type = isIPv6(host) ? 'udp6' : 'udp4'
  // Hosts are IP addresses, so the look-up that dgram makes for each datagram is none; its own goes by a thread pool.
  const socket = factory({
    type,
    lookup: (hostname, _, done) => {
      done(null, hostname, type === 'udp6' ? 6 : 4)
    }
  })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      // Exclusive: in a cluster, each worker is a node of its own and never shares a handle.
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    socket.close()
    throw error
  }
  bestEffort(() => {
    if (receiveBufferBytes !== undefined) socket.setRecvBufferSize(receiveBufferBytes)
  })
  bestEffort(() => {
    if (sendBufferBytes !== undefined) socket.setSendBufferSize(sendBufferBytes)
  })
  const local = Object.freeze({ host, port: socket.address().port })
  const families = new Set<4 | 6>(host === EVERYWHERE ? [6, 4] : [type === 'udp6' ? 6 : 4])
  return { socket, local, families }
}

/** The system may allow less, or nothing: then its own size does. */
function bestEffort(work: () => void): void {
  try {
    work()
  } catch {
    // Said above.
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error'
}

function asSocketError(error: unknown, { host, port }: BindRequest): PeerloomError {
  return new PeerloomError('ERR_SOCKET', explain(codeOf(error), host, port), { cause: error })
}

function explain(code: string, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is taken on ${host}; choose another or stop the program that holds it`
    case 'EACCES':
    case 'EPERM':
      return `port ${port} on ${host} needs rights that this user lacks; choose one from 1024 up`
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine; choose one of its own, or leave the host out`
    case 'EAFNOSUPPORT':
    case 'EPROTONOSUPPORT':
      return `this machine has no ${isIPv6(host) ? 'IPv6' : 'IPv4'}, so ${host} cannot be used; choose another host`
    case 'EMFILE':
    case 'ENFILE':
      return `too many files and sockets are open to open another on ${host}; raise the limit (ulimit -n)`
    default:
      return `cannot open a UDP socket on ${Address.format({ host, port })} (${code})`
  }
}
