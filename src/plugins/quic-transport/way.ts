import type { DatagramSocket, Path } from '../../kernel/index.js'
import { Address } from '../../model/index.js'

/** Where the datagrams of a connection go: from a socket or carrier to an address. */
export interface Way {
  readonly socket: DatagramSocket
  readonly remote: Address
}

export function pathOf({ socket, remote }: Way): Path {
  return { local: socket.local, remote }
}

export function sameWay(a: Way, b: Way): boolean {
  return a.socket === b.socket && Address.equals(a.remote, b.remote)
}
