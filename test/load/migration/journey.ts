import { filter, firstValueFrom } from 'rxjs'
import { sleep, systemClock, type Path } from '#src/kernel/index.js'
import { paths } from '#src/plugins/paths/index.js'
import { carrierPair } from '../../plugins/quic-transport/carriers.js'
import { connectedPair } from '../../plugins/quic-transport/nodes.js'
import { Traffic } from './traffic.js'

/** Every so many moves one leads over the carrier, and the next one back. */
const CARRIED_EVERY = 4
/** How long a path is used before it dies, and how long one stays dead. */
const LIFE_MS = 200

export interface Journey {
  /** Bytes and calls, at least, until the moves are over. */
  readonly bytes: number
  readonly calls: number
  /** Between two sockets of the dialler, and a carrier. */
  readonly moves: number
  /** After that, how often the path in use dies. */
  readonly deaths: number
}

export interface JourneyOutcome extends Journey {
  readonly seconds: number
  readonly byteStallMs: number
  readonly callStallMs: number
  /** The same while paths die. */
  readonly byteStallOfDeathsMs: number
  readonly callStallOfDeathsMs: number
  readonly complaints: readonly string[]
}

/** A connection with 8 streams of bulk data and calls goes from path to path. */
export async function travel({ bytes, calls, moves, deaths }: Journey): Promise<JourneyOutcome> {
  await using pair = await connectedPair({ further: [paths] })
  const { a, b, out } = pair
  const begun = systemClock.monotonic()
  const traffic = new Traffic([out, pair.in], { streams: 8, callers: 4 })

  const second = await a.datagrams.open()
  const [near, far] = carrierPair()
  a.transport.carry(second)
  a.transport.carry(near)
  b.transport.carry(far)
  const direct: Path[] = [await out.probe(b.address, { via: second }), out.path]
  const overCarrier = async (): Promise<void> => {
    await out.migrate(await out.probe(far.local, { via: near }))
  }

  for (let i = 1; i <= moves; i++) {
    if (i % CARRIED_EVERY === 0) await overCarrier()
    else await out.migrate(direct[i % 2] as Path)
  }
  while (traffic.complaints.length === 0 && (traffic.bytes < bytes || traffic.calls < calls))
    await sleep(systemClock, 10)
  const { byteStallMs, callStallMs } = traffic

  traffic.restartClocks()
  for (let i = 0; i < deaths; i++) {
    await overCarrier()
    await sleep(systemClock, LIFE_MS)
    const moved = firstValueFrom(out.paths$.pipe(filter(({ type }) => type === 'moved')))
    near.works = far.works = false
    await moved
    await sleep(systemClock, LIFE_MS)
    near.works = far.works = true
  }
  await traffic.stop()
  return {
    bytes: traffic.bytes,
    calls: traffic.calls,
    moves,
    deaths,
    seconds: (systemClock.monotonic() - begun) / 1_000,
    byteStallMs,
    callStallMs,
    byteStallOfDeathsMs: traffic.byteStallMs,
    callStallOfDeathsMs: traffic.callStallMs,
    complaints: traffic.complaints
  }
}
