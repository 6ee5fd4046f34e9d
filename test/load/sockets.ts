import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** A bare UDP socket on loopback; on Linux all of 127.0.0.0/8 is there to be sent from. */
export async function bareSocket(host = '127.0.0.1'): Promise<Socket & Disposable> {
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  return Object.assign(socket, {
    [Symbol.dispose]: () => {
      socket.close()
    }
  })
}
