import grpc from '@grpc/grpc-js'
import { REQUEST_TEXT } from '../../build/bench/rpc/contender.js'

const request = Buffer.from(REQUEST_TEXT)
const chunk = Buffer.alloc(64 * 1024, 'peerloom')

const same = (bytes) => bytes
const bytes = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same
}
const service = {
  echo: { path: '/bench/echo', requestStream: false, responseStream: false, ...bytes },
  pass: { path: '/bench/pass', requestStream: true, responseStream: true, ...bytes },
  count: { path: '/bench/count', requestStream: false, responseStream: true, ...bytes },
  take: { path: '/bench/take', requestStream: true, responseStream: false, ...bytes }
}

export async function serve() {
  const server = new grpc.Server()
  server.addService(service, {
    echo: (call, answer) => answer(null, call.request),
    pass(call) {
      call.on('data', (message) => call.write(message) || stall(call, call))
      call.on('end', () => call.end())
    },
    async count(call) {
      for (let left = Number(call.request); left > 0; left--) if (!call.write(request)) await drained(call)
      call.end()
    },
    take(call, answer) {
      call.on('data', () => undefined)
      call.on('end', () => answer(null, request))
    }
  })
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error)
    )
  )
  return { port, where: port }
}

export async function connect(where) {
  const Client = grpc.makeGenericClientConstructor(service, 'bench')
  const client = new Client(`127.0.0.1:${where}`, grpc.credentials.createInsecure())
  return {
    call: () =>
      new Promise((resolve, reject) => client.echo(request, (error) => (error === null ? resolve() : reject(error)))),
    async exchange(count) {
      const call = client.pass()
      const came = taken(call)
      for (let i = 0; i < count; i++) if (!call.write(request)) await drained(call)
      call.end()
      if ((await came) !== count) throw new Error(`${await came} messages came of ${count}`)
    },
    async items(count) {
      const came = await taken(client.count(Buffer.from(String(count))))
      if (came !== count) throw new Error(`${came} messages came of ${count}`)
    },
    pour: (bytes, stop) =>
      new Promise((resolve, reject) => {
        const call = client.take((error) => (error === null ? resolve() : reject(error)))
        const send = async () => {
          for (let sent = 0; sent < bytes && !stop.aborted; sent += chunk.length) {
            if (!call.write(chunk)) await drained(call)
          }
          call.end()
        }
        send().catch(reject)
      })
  }
}

const drained = (stream) => new Promise((resolve) => stream.once('drain', resolve))

function stall(reader, writer) {
  reader.pause()
  writer.once('drain', () => reader.resume())
}

function taken(call) {
  return new Promise((resolve, reject) => {
    let count = 0
    call.on('data', () => count++)
    call.on('error', reject)
    call.on('end', () => resolve(count))
  })
}
