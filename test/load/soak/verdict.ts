import { CloseCode } from '#src/kernel/index.js'
import type { Intention, Outcome } from './way.js'

/** What a writer is told of a stop that was answered and forgotten before it asked. */
const CODE_FORGOTTEN = CloseCode.CANCELLED

/** How a direction went: as intended; as intended but that its end hid its reset, which quiche may do; or else, in words. */
export type Verdict = 'right' | 'reset as end' | { readonly wrong: string }

const right = 'right'

/** Judges how one direction was over for both of its sides. */
export function judge({ bytes, resetCode, stop }: Intention, wrote: Outcome, read: Outcome): Verdict {
  if (read.bytes > wrote.bytes) return { wrong: 'more was read than written' }
  // A connection that ends takes its streams with it, wherever they are.
  if (read.how === 'closed' || wrote.how === 'closed') return right
  switch (`${wrote.how}, ${read.how}`) {
    case 'ended, ended':
      return read.bytes === bytes ? right : { wrong: `the end came after ${read.bytes} of ${bytes} bytes` }
    case 'gave up, told':
      return read.code === resetCode ? right : { wrong: `a reset with ${String(resetCode)} was told as ${read.code}` }
    case 'gave up, ended':
      return 'reset as end'
    // A stop may come when the writer has had its say.
    case 'ended, gave up':
    case 'gave up, gave up':
      return right
    case 'told, gave up':
      if (wrote.code === stop?.code || wrote.code === CODE_FORGOTTEN) return right
      return { wrong: `a stop with ${String(stop?.code)} was told as ${wrote.code}` }
    default:
      return { wrong: `the writer: ${wrote.how}, the reader: ${read.how}` }
  }
}
