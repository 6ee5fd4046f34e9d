import { z } from 'zod'
import { Datagrams, definePlugin, Identity, messageOf, SelfContact } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { announceable, LiveSelfContact } from './self-contact.js'

/** Addresses that may be configured: as many as a contact holds. */
const MAX_CONFIGURED = 16

const announced = z.string().transform((text, context): Address => {
  try {
    return announceable(Address.parse(text))
  } catch (error) {
    context.addIssue(messageOf(error))
    return z.NEVER
  }
})

const schema = z.strictObject({
  /**
   * Addresses at which others reach this node although no socket shows it, such as a forwarded port: `host:port`, IPv6
   * in brackets, the best first; none by default.
   */
  announce: z.array(announced).max(MAX_CONFIGURED).default([]),
  /** Milliseconds between two looks for changed network interfaces, while anyone is subscribed; 10,000. */
  checkIntervalMs: z.int().min(1_000).default(10_000)
})

export type SelfContactOptions = z.input<typeof schema>

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
