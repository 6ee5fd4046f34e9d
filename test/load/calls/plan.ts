import type { MethodKind, Random } from '#src/kernel/index.js'

/** What a handler does with a call. */
export type Fate = 'answer' | 'fail' | 'hang'

/** What is meant to happen to one call. The part of it that its handler has to know is sent with it. */
export interface Plan {
  readonly id: number
  readonly kind: MethodKind
  readonly fate: Fate
  /** Items or bytes, in whichever directions the kind has them. */
  readonly size: number
  /** How long the handler takes over it. */
  readonly slowMs: number
  /** After so long the caller gives up. */
  readonly cancelMs?: number
  /** After so many items the caller leaves. */
  readonly leaveAfter?: number
  /** How long the caller waits. */
  readonly timeoutMs: number
}

/** What is sent of a plan. */
export type Order = Pick<Plan, 'id' | 'fate' | 'size' | 'slowMs'> & { readonly [member: string]: number | string }

/** Codes of the errors that handlers throw. */
export const FAILURE_CODE = 5_000
/** How long a call may take that is to come to its end. */
const PATIENCE_MS = 60_000

const KINDS: readonly (readonly [share: number, kind: MethodKind])[] = [
  [0.6, 'unary'],
  [0.7, 'client'],
  [0.8, 'server'],
  [0.9, 'duplex'],
  [1, 'raw']
]
const FAILING_SHARE = 0.1
const HANGING_SHARE = 0.005
const CANCELLED_SHARE = 0.1
const LEFT_SHARE = 0.1
const SLOW_SHARE = 0.2
const MAX_ITEMS = 6
const MAX_BODY_BYTES = 5_000
const MAX_SLOW_MS = 5
const MAX_CANCEL_MS = 12
const MIN_HANG_MS = 50
const MAX_HANG_MS = 300

export function makePlan(id: number, random: Random): Plan {
  const share = random.float()
  const kind = KINDS.find(([upTo]) => share < upTo)?.[1] ?? 'raw'
  const luck = random.float()
  const fate = luck < HANGING_SHARE ? 'hang' : luck < HANGING_SHARE + FAILING_SHARE ? 'fail' : 'answer'
  const many = kind === 'server' || kind === 'duplex'
  return {
    id,
    kind,
    fate,
    size: 1 + random.int(kind === 'raw' ? MAX_BODY_BYTES : MAX_ITEMS),
    slowMs: random.float() < SLOW_SHARE ? random.int(MAX_SLOW_MS) : 0,
    timeoutMs: fate === 'hang' ? MIN_HANG_MS + random.int(MAX_HANG_MS - MIN_HANG_MS) : PATIENCE_MS,
    ...(random.float() < CANCELLED_SHARE && { cancelMs: random.int(MAX_CANCEL_MS) }),
    ...(many && random.float() < LEFT_SHARE && { leaveAfter: random.int(MAX_ITEMS) })
  }
}

export function orderOf({ id, fate, size, slowMs }: Plan): Order {
  return { id, fate, size, slowMs }
}

/** The item of a call at a place: what is lost, doubled or another call's shows. */
export function itemAt({ id }: Pick<Plan, 'id'>, at: number): number {
  return id * 16 + at
}

export function itemsOf(plan: Pick<Plan, 'id' | 'size'>): number[] {
  return Array.from({ length: plan.size }, (_, at) => itemAt(plan, at))
}

export function bytesOf({ id, size }: Pick<Plan, 'id' | 'size'>): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, at) => (id * 31 + at * 7) & 0xff))
}
