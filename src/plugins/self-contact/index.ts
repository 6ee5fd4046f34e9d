import * as v from 'valibot'
import { Datagrams, definePlugin, Identity, messageOf, SelfContact } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { announceable, LiveSelfContact } from './self-contact.js'

/** Addresses that may be configured: as many as a contact holds. */
const MAX_CONFIGURED = 16

const announced = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }): Address => {
    try {
      return announceable(Address.parse(dataset.value))
    } catch (error) {
      addIssue({ message: messageOf(error) })
      return NEVER
    }
  })
)

const schema = v.strictObject({
  /**
   * Addresses at which others reach this node although no socket shows it, such as a forwarded port: `host:port`, IPv6
   * in brackets, the best first; none by default.
   */
  announce: v.optional(v.pipe(v.array(announced), v.maxLength(MAX_CONFIGURED)), []),
  /** Milliseconds between two looks for changed network interfaces, while anyone is subscribed; 10,000. */
  checkIntervalMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1_000)), 10_000)
})

export type SelfContactOptions = v.InferInput<typeof schema>

/** This node's own addresses, for others to reach it. */
export const selfContact = definePlugin({
  name: 'self-contact',
  needs: { identity: Identity, datagrams: Datagrams },
  provides: { selfContact: SelfContact },
  config: schema,
  start({ identity, datagrams }, context) {
    const selfContact = new LiveSelfContact({
      nodeId: identity.nodeId,
      datagrams,
      clock: context.clock,
      ...context.config
    })
    context.defer(() => {
      selfContact.stop()
    })
    return { selfContact }
  }
})
