import { availableParallelism } from 'node:os'
import { installPeers, isInstalled } from './install.js'
import { findNodes, versionOf } from './nodes.js'
import { parseOptions, UsageError, type Options } from './options.js'
import { makeResult, toTable, type Report, type Result } from './report.js'
import { runCase } from './run.js'
import { kernel } from './suites/kernel.js'
import { rpc } from './suites/rpc.js'
import { transport } from './suites/transport.js'

const SUITES = [kernel, transport, rpc]

async function main({ suite, json, rounds, quick, peers, install }: Options): Promise<void> {
  const complaint = install || (peers.size > 0 && !isInstalled()) ? installPeers() : undefined
  if (complaint !== undefined) process.stderr.write(`${complaint}\n`)
  if (suite === undefined) {
    process.exitCode = complaint === undefined ? 0 : 1
    return
  }
  const nodes = findNodes()
  const results: Result[] = []
  const failed: Record<string, string> = {}
  for (const each of suite.cases) {
    process.stderr.write(`${suite.name}: ${each.name} …\n`)
    const contestants = await runCase(each, { rounds, quick, peers }, nodes)
    results.push(makeResult(each, contestants, versionOf))
    for (const { name, error } of contestants) {
      if (error !== undefined) failed[name] ??= `${each.name}: ${complaint ?? messageOf(error)}`
    }
  }
  const report: Report = {
    suite: suite.name,
    rounds,
    node: process.version,
    cpus: availableParallelism(),
    results,
    failed
  }
  process.stdout.write(`${json ? JSON.stringify(report) : toTable(report)}\n`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

try {
  await main(parseOptions(process.argv.slice(2), SUITES))
} catch (error) {
  const isUsage = error instanceof UsageError
  process.stderr.write(`bench: ${messageOf(error)}\n`)
  if (isUsage) {
    process.stderr.write('usage: npm run -s bench -- SUITE [--json] [--rounds N] [--peers a,b] [--quick] [--install]\n')
  }
  process.exitCode = isUsage ? 2 : 1
}
