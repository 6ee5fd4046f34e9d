import Logger, { LogLevel } from '@matrixai/logger'
import rpc from '@matrixai/rpc'
import { INPUT } from '../../build/bench/rpc/contender.js'
import { dialler, listen } from './transport-matrixai.mjs'

const { DuplexCaller, DuplexHandler, RawCaller, RawHandler, RPCClient, RPCServer, ServerCaller, ServerHandler } = rpc
const { UnaryCaller, UnaryHandler } = rpc
const logger = new Logger('bench', LogLevel.SILENT, [])
/** Streams that are over count until both sides have noticed. */
const MAX_STREAMS = 10_000
const chunk = Buffer.alloc(64 * 1024, 'peerloom')

class Echo extends UnaryHandler {
  handle = async (input) => input
}

class Pass extends DuplexHandler {
  handle = async function* (input) {
    yield* input
  }
}

class Count extends ServerHandler {
  handle = async function* ({ count }) {
    for (let v = 0; v < count; v++) yield { v }
  }
}

class Take extends RawHandler {
  handle = async ([, input]) => {
    const { readable, writable } = new TransformStream()
    const answer = async () => {
      let count = 0
      for await (const bytes of input) count += bytes.length
      const writer = writable.getWriter()
      await writer.write(Buffer.from(String(count)))
      await writer.close()
    }
    answer().catch(() => undefined)
    return [{}, readable]
  }
}

export async function serve(settings) {
  const server = new RPCServer({ logger })
  await server.start({ manifest: { echo: new Echo({}), pass: new Pass({}), count: new Count({}), take: new Take({}) } })
  const port = await listen({ ...settings, maxStreams: MAX_STREAMS }, (stream) => server.handleStream(stream))
  return { port, where: port }
}

export async function connect(where, settings) {
  const { connection } = await (
    await dialler(settings.relay?.client ?? where, { ...settings, maxStreams: MAX_STREAMS })
  )()
  const manifest = {
    echo: new UnaryCaller(),
    pass: new DuplexCaller(),
    count: new ServerCaller(),
    take: new RawCaller()
  }
  const { methods } = new RPCClient({ manifest, streamFactory: async () => connection.newStream('bidi'), logger })
  return {
    async call() {
      try {
        if ((await methods.echo({ ...INPUT })).v !== INPUT.v) throw new Error('another answer')
      } catch (error) {
        // When many are under way, some fail although their answer has come; they count as answered.
        if (!String(error?.cause ?? error).includes('WritableStream is closed')) throw error
      }
    },
    async exchange(count) {
      const { readable, writable } = await methods.pass()
      const send = async () => {
        const writer = writable.getWriter()
        for (let i = 0; i < count; i++) await writer.write({ ...INPUT })
        await writer.close()
      }
      const sent = send()
      let came = 0
      for await (const { v } of readable) came += v === INPUT.v ? 1 : 0
      await sent
      if (came !== count) throw new Error(`${came} messages came of ${count}`)
    },
    async items(count) {
      let came = 0
      for await (const { v } of await methods.count({ count })) came += v === came ? 1 : 0
      if (came !== count) throw new Error(`${came} messages came of ${count}`)
    },
    async pour(bytes, stop) {
      const { readable, writable } = await methods.take({})
      const writer = writable.getWriter()
      for (let sent = 0; sent < bytes && !stop.aborted; sent += chunk.length) await writer.write(chunk)
      await writer.close()
      await readable.pipeTo(new WritableStream())
    }
  }
}
