import * as v from 'valibot'
import { definePlugin, Store, type Clock } from '../../kernel/index.js'
import { quotas } from './options.js'
import { Place } from './usage.js'

const schema = v.strictObject({
  ...quotas,
  /** Path of the directory that the store has for itself; made, with its parents, if it does not exist. */
  directory: v.pipe(v.string(), v.minLength(1, 'expected the path of a directory')),
  /**
   * Whether what is acknowledged survives a loss of power, too, and not only the end of the process. Writes that wait
   * for the disk at the same time share one sync.
   */
  sync: v.optional(v.boolean(), true),
  /** Whether a damaged store is mended at the start, as far as that goes, instead of being refused. */
  repair: v.optional(v.boolean(), false)
})

export type LevelStoreOptions = v.InferInput<typeof schema>

/**
 * A store on disk (LevelDB), for one process at a time. What it has acknowledged survives a crash.
 *
 * Fails to start with `ERR_STORE` if the directory is in use, is not its own, is damaged, or cannot be written. While
 * the disk is full it goes on reading and rejects what is to be written; it writes again as soon as there is room.
 */
export const levelStore = definePlugin({
  name: 'level-store',
  provides: { store: Store },
  config: schema,
  // The checksums of the whole store are read.
  startTimeout: 60_000,
  async start(_, context) {
    const { config, clock, events, log } = context
    const { levelDisk, Level, LevelStore } = await loadLevel(clock)
    const level = new Level(levelDisk(config), clock, {
      failed(error) {
        events.emit('node.warning', { message: 'nothing can be stored for the time being', error })
      },
      recovered() {
        log.info(`the store in ${config.directory} is written again`)
      },
      mended(message) {
        events.emit('node.warning', { message })
      }
    })
    context.defer(() => level.close())
    await level.open()
    return { store: new LevelStore(level, Place.root(config)) }
  }
})

/** Imported when it is needed: most nodes keep nothing on disk. */
async function loadLevel(clock: Clock) {
  const release = clock.hold()
  try {
    const parts = [import('./database.js'), import('./level.js'), import('./level-store.js')] as const
    const [{ levelDisk }, { Level }, { LevelStore }] = await Promise.all(parts)
    return { levelDisk, Level, LevelStore }
  } finally {
    release()
  }
}
