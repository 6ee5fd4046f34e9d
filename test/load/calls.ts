// Whether every call ends once, and as it should, over a link that loses packets:
//   npm run -s test:calls -- --calls 100000 [--seed N]
// First on `peerloom/1`, then a tenth as many on the wire of @matrixai/rpc. Says how it went in one line of JSON, and what
// did not hold on stderr; exits with 1 then.
import { parseArgs } from 'node:util'
import { runCalls, type CallsReport } from './calls/run.js'
import { handles, heapBytes } from './soak/process.js'

const MATRIX_SHARE = 0.1
/** After so many calls everything that is loaded or compiled but once has been. */
const REHEARSAL = 5_000
/** By how much the heap may have grown. */
const HEAP_TOLERANCE_BYTES = 4 * 2 ** 20

const { values } = parseArgs({ options: { calls: { type: 'string' }, seed: { type: 'string' } } })
const calls = Number(values.calls ?? 10_000)
const seed = Number(values.seed ?? 1)

const wires = [
  ['peerloom/1', calls],
  ['matrixai-rpc/1', Math.ceil(calls * MATRIX_SHARE)]
] as const

for (const [protocol, count] of wires) await runCalls({ calls: Math.min(REHEARSAL, count), seed, protocol })
const before = { heap: heapBytes(), handles: handles() }
const reports: Record<string, Omit<CallsReport, 'complaints'> & { calls: number; ms: number }> = {}
const complaints: string[] = []
for (const [protocol, count] of wires) {
  const startedAt = performance.now()
  const { complaints: ofWire, ...report } = await runCalls({ calls: count, seed, protocol })
  reports[protocol] = { calls: count, ms: Math.round(performance.now() - startedAt), ...report }
  complaints.push(...ofWire.map((what) => `${protocol}: ${what}`))
}
const after = { heap: heapBytes(), handles: handles() }
if (after.heap > before.heap + HEAP_TOLERANCE_BYTES) complaints.push('the heap has grown')
if (JSON.stringify(after.handles) !== JSON.stringify(before.handles)) complaints.push('handles are left')

for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
process.stdout.write(
  `${JSON.stringify({ calls, seed, wires: reports, before, after, complaints: complaints.length })}\n`
)
process.exitCode = complaints.length === 0 ? 0 : 1
