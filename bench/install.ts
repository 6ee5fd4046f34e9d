import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { PEERS_FOLDER } from './nodes.js'

const INSTALLED = `${PEERS_FOLDER}node_modules/.package-lock.json`
const LOCKED = `${PEERS_FOLDER}package-lock.json`

/** Characters of npm's complaint that are told. */
const MAX_SAID = 300

/** Whether what the lock file names is there. */
export function isInstalled(): boolean {
  return existsSync(INSTALLED) && statSync(INSTALLED).mtimeMs >= statSync(LOCKED).mtimeMs
}

/** Installs the peers as locked. Returns what npm said if it failed. */
export function installPeers(): string | undefined {
  const count = Object.keys((JSON.parse(readFileSync(LOCKED, 'utf8')) as { packages: object }).packages).length
  process.stderr.write(`installing ${count} packages of the peers …\n`)
  const { status, stderr, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: PEERS_FOLDER,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    shell: process.platform === 'win32'
  })
  return status === 0 ? undefined : `npm ci failed: ${error?.message ?? stderr.trim().slice(0, MAX_SAID)}`
}
