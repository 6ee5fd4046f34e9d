import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The Node binaries that programs are run with. */
export interface Nodes {
  /** The one that runs the bench. */
  readonly bench: string
  /** A Node 22 that is installed with the peers, where there is one; else that of the bench. */
  readonly peers: string
}

/** Where peers are installed, seen from build/bench. */
export const PEERS_FOLDER = fileURLToPath(new URL('../../bench/', import.meta.url))

export function findNodes(): Nodes {
  const bench = process.execPath
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const installed = `${PEERS_FOLDER}node_modules/node-${platform}-${process.arch}/bin/${file}`
  return { bench, peers: existsSync(installed) ? installed : bench }
}

const versions = new Map<string, string>()

/** What a Node binary says that it is, such as `v22.23.3`. */
export function versionOf(node: string): string {
  if (node === process.execPath) return process.version
  const version = versions.get(node) ?? execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  versions.set(node, version)
  return version
}
