import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { definePlugin, Identity, KernelError } from '../../kernel/index.js'
import { NodeId } from '../../model/index.js'
import { CertificateCache, DAY_MS } from './certificate.js'
import { loadOrCreateKey } from './key-file.js'
import { keyFromSeed, nodeIdOf, SEED_BYTES, signWith, verifyBy } from './keys.js'

const schema = z
  .strictObject({
    /**
     * Path of the file that holds the key: PEM, PKCS #8, Ed25519, mode 0600. It is created, with its directory, if it
     * does not exist. Without one (the default) the node has a new key, and so a new id, at each start.
     */
    keyFile: z.string().min(1, 'expected the path of a file').optional(),
    /** The 32 bytes of a private key (RFC 8032), for tests that need the same id each time; none by default. */
    seed: z
      .instanceof(Uint8Array)
      .refine((seed) => seed.length === SEED_BYTES, `expected ${SEED_BYTES} bytes`)
      .optional(),
    /** The node id that the key must have. With it, no new key is made: one that is missing is an error. */
    nodeId: z.string().refine(NodeId.is, 'expected a node id').optional(),
    /** How long a certificate is valid; a year. */
    certificateValidityMs: z
      .int()
      .min(1_000)
      .max(100 * 365 * DAY_MS)
      .default(365 * DAY_MS),
    /** How long before the end of a certificate there is another one; 30 days. */
    renewBeforeMs: z
      .int()
      .min(0)
      .default(30 * DAY_MS)
  })
  .refine(({ certificateValidityMs, renewBeforeMs }) => renewBeforeMs < certificateValidityMs, {
    message: 'expected less than certificateValidityMs',
    path: ['renewBeforeMs']
  })
  .refine(({ keyFile, seed }) => keyFile === undefined || seed === undefined, 'give keyFile or seed, not both')

export type IdentityOptions = z.input<typeof schema>

/** Who this node is: its Ed25519 key, in a file or in memory. Fails to start with `ERR_IDENTITY`. */
export const identity = definePlugin({
  name: 'identity',
  provides: { identity: Identity },
  config: schema,
  start(_, { config, clock }) {
    const key = privateKeyFrom(config)
    const nodeId = nodeIdOf(key)
    const certificates = new CertificateCache(key, nodeId, clock, config)
    return {
      identity: {
        nodeId,
        sign: (data) => signWith(key, data),
        verify: verifyBy,
        certificate: () => certificates.get()
      }
    }
  }
})

function privateKeyFrom({ keyFile, seed, nodeId }: z.output<typeof schema>): KeyObject {
  if (keyFile !== undefined) return loadOrCreateKey(keyFile, nodeId)
  const key = seed === undefined ? generateKeyPairSync('ed25519').privateKey : keyFromSeed(seed)
  const own = nodeIdOf(key)
  if (nodeId === undefined || nodeId === own) return key
  throw new KernelError('ERR_IDENTITY', `the key is that of ${own}, not of ${nodeId}; give its seed or keyFile`)
}
