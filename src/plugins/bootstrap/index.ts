import * as v from 'valibot'
import { Contact } from '../../model/index.js'
import { definePlugin, messageOf, Router, sleep, withDeadline } from '../../kernel/index.js'

const contact = v.pipe(
  v.custom<string | Contact>(
    (value) => typeof value === 'string' || value instanceof Contact,
    'expected a contact: its text, or a Contact of this copy of peerloom'
  ),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }): Contact => {
    if (value instanceof Contact) return value
    try {
      return Contact.parse(value)
    } catch (error) {
      addIssue({ message: messageOf(error) })
      return NEVER
    }
  })
)

const options = v.strictObject({
  /** Nodes by way of which this one joins the network: contacts or their texts. */
  seeds: v.optional(v.pipe(v.array(contact), v.maxLength(256)), []),
  /** How long the start waits for the first attempt, in milliseconds; it goes on in the background then. */
  waitMs: v.optional(v.pipe(v.number(), v.finite('expected a finite number'), v.minValue(0)), 5_000),
  /** The pause after the first attempt that failed; it doubles up to `maxRetryMs`. */
  retryMs: v.optional(v.pipe(v.number(), v.finite('expected a finite number'), v.gtValue(0)), 1_000),
  maxRetryMs: v.optional(v.pipe(v.number(), v.finite('expected a finite number'), v.gtValue(0)), 60_000)
})

export type BootstrapOptions = v.InferInput<typeof options>

/**
 * Joins the network through seeds. A node whose seeds are down starts all the same: it says so with a `node.warning`
 * and keeps trying, each pause twice as long as the one before, with some jitter so that a crowd does not return at once.
 */
export const bootstrap = definePlugin({
  name: 'bootstrap',
  needs: { router: Router },
  config: options,
  startTimeout: 120_000,
  async start({ router }, { config: { seeds, waitMs, retryMs, maxRetryMs }, signal, clock, random, events }) {
    if (seeds.length === 0) return
    const attempt = async (): Promise<boolean> => {
      try {
        await router.join(seeds, { signal })
        return true
      } catch (error) {
        if (!signal.aborted) events.emit('node.warning', { message: `no seed answered: ${messageOf(error)}`, error })
        return false
      }
    }
    const keepTrying = async (first: Promise<boolean>): Promise<void> => {
      let pause = retryMs
      for (let joined = await first; !joined && !signal.aborted; joined = await attempt()) {
        await sleep(clock, pause * (0.75 + random.float() / 2), signal)
        pause = Math.min(pause * 2, maxRetryMs)
      }
    }
    const first = attempt()
    // Ends with the plugin's signal, which is the only way it can reject.
    keepTrying(first).catch(() => undefined)
    await withDeadline(clock, waitMs, () => first, { signal }).catch(() => undefined)
  }
})
