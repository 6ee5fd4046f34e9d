#!/usr/bin/env node
import { Command, InvalidArgumentError, Option } from 'commander'
import { createRequire } from 'node:module'
import { Contact, messageOf } from '../index.js'
import { describe, type DescribeFlags } from './describe.js'
import { demo } from './demo/index.js'
import { work } from './demo/worker.js'
import { fail } from './failure.js'
import { start, type StartFlags } from './start.js'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

function toPort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw new InvalidArgumentError('expected a port from 0 to 65535.')
  return port
}

function toSeeds(text: string, earlier: readonly Contact[]): Contact[] {
  try {
    return [...earlier, Contact.parse(text)]
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error))
  }
}

const program = new Command('peerloom')
  .description('Peer-to-peer nodes from plugins')
  .version(version)
  .showSuggestionAfterError(false)
  // One sentence: the usage is there for whoever asks with --help.
  .configureOutput({
    outputError: (text, write) => {
      write(text.replace(/^error: /, 'peerloom: '))
    }
  })

program
  .command('start')
  .description('run a node until Ctrl-C')
  .option(
    '--data <dir>',
    'keep the key and the store of the node in this folder; without it, every start is a new node'
  )
  .option('--host <host>', 'listen on this address only')
  .option('--port <port>', 'listen on this UDP port', toPort)
  .option('--seed <contact>', 'join through this node; may be given more than once', toSeeds, [])
  .option('--json', 'print every event as a line of JSON')
  .action((flags: StartFlags) => start(flags).catch(fail))

program
  .command('describe')
  .description('show the plugins of a standard node: who needs whom, how long each took to start, what it registered')
  .addOption(new Option('--json', 'print it as a line of JSON').conflicts('mermaid'))
  .option('--mermaid', 'print it as a Mermaid graph')
  .action((flags: DescribeFlags) => describe(flags).catch(fail))

program
  .command('demo')
  .description('run a network of 20 nodes in 3 processes on this machine, and call one of them')
  .option('--stay', 'keep the network up until Ctrl-C')
  .option('--json', 'end with one line of JSON')
  .action((flags: { stay?: boolean; json?: boolean }) => demo(flags).catch(fail))

program.command('demo-worker', { hidden: true }).action(() => work().catch(fail))

await program.parseAsync()
