import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import * as v from 'valibot'
import { definePlugin, Identity, KernelError } from '../../kernel/index.js'
import { NodeId } from '../../model/index.js'
import { CertificateCache, DAY_MS } from './certificate.js'
import { loadOrCreateKey } from './key-file.js'
import { keyFromSeed, nodeIdOf, SEED_BYTES, signWith, verifyBy } from './keys.js'
import { SharedKeys } from './shared-key.js'

/** Said without what was received: it may be a key. */
const SEED_EXPECTED = `expected a Uint8Array of ${SEED_BYTES} bytes`

const schema = v.pipe(
  v.strictObject({
    /**
     * Path of the file that holds the key: PEM, PKCS #8, Ed25519, mode 0600. It is created, with its directory, if it
     * does not exist. Without one (the default) the node has a new key, and so a new id, at each start.
     */
    keyFile: v.optional(v.pipe(v.string(), v.minLength(1, 'expected the path of a file'))),
    /** The 32 bytes of a private key (RFC 8032), for tests that need the same id each time; none by default. */
    seed: v.optional(v.pipe(v.instance(Uint8Array, SEED_EXPECTED), v.length(SEED_BYTES, SEED_EXPECTED))),
    /** The node id that the key must have. With it, no new key is made: one that is missing is an error. */
    nodeId: v.optional(
      v.pipe(
        v.string(),
        v.check((id) => NodeId.is(id), 'expected a node id'),
        v.transform(NodeId.parse)
      )
    ),
    /** How long a certificate is valid; a year. */
    certificateValidityMs: v.optional(
      v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(100 * 365 * DAY_MS)),
      365 * DAY_MS
    ),
    /** How long before the end of a certificate there is another one; 30 days. */
    renewBeforeMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 30 * DAY_MS)
  }),
  v.forward(
    v.check(
      ({ certificateValidityMs, renewBeforeMs }) => renewBeforeMs < certificateValidityMs,
      'expected less than certificateValidityMs'
    ),
    ['renewBeforeMs']
  ),
  v.check(({ keyFile, seed }) => keyFile === undefined || seed === undefined, 'give keyFile or seed, not both')
)

export type IdentityOptions = v.InferInput<typeof schema>

/** Who this node is: its Ed25519 key, in a file or in memory. Fails to start with `ERR_IDENTITY`. */
export const identity = definePlugin({
  name: 'identity',
  provides: { identity: Identity },
  config: schema,
  start(_, { config, clock }) {
    const key = privateKeyFrom(config)
    const nodeId = nodeIdOf(key)
    const sharedKeys = new SharedKeys(key, nodeId)
    const certificates = new CertificateCache(key, nodeId, clock, config)
    return {
      identity: {
        nodeId,
        sign: (data) => signWith(key, data),
        verify: verifyBy,
        sharedKey: (peer, purpose) => sharedKeys.get(peer, purpose),
        certificate: () => certificates.get()
      }
    }
  }
})

function privateKeyFrom({ keyFile, seed, nodeId }: v.InferOutput<typeof schema>): KeyObject {
  if (keyFile !== undefined) return loadOrCreateKey(keyFile, nodeId)
  const key = seed === undefined ? generateKeyPairSync('ed25519').privateKey : keyFromSeed(seed)
  const own = nodeIdOf(key)
  if (nodeId === undefined || nodeId === own) return key
  throw new KernelError('ERR_IDENTITY', `the key is that of ${own}, not of ${nodeId}; give its seed or keyFile`)
}
