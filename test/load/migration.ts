// Whether a connection carries on while it moves from path to path, 100 times, and while paths die under it:
//   npm run -s test:migration
// Says how it went in one line of JSON, and exits with 1 if something was lost or stood still for a second.
import { travel } from './migration/journey.js'

const STALL_LIMIT_MS = 1_000

const outcome = await travel({ bytes: 200e6, calls: 1_000, moves: 100, deaths: 10 })
console.log(JSON.stringify(outcome))
const stalls = [outcome.byteStallMs, outcome.callStallMs, outcome.byteStallOfDeathsMs, outcome.callStallOfDeathsMs]
if (outcome.complaints.length > 0 || Math.max(...stalls) >= STALL_LIMIT_MS) process.exitCode = 1
