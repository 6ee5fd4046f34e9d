import { expect } from 'chai'
import { readFileSync } from 'node:fs'

interface Locked {
  version?: string
  resolved?: string
  extraneous?: boolean
  optionalDependencies?: Record<string, string>
}

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> }

describe('the lock file', () => {
  it('names no registry', () => {
    expect(Object.entries(packages).filter(([, { resolved }]) => resolved?.startsWith('http'))).to.deep.equal([])
  })

  it('is one that npm 10 and 11 both install from', () => {
    // `npm install` leaves out optional packages that a registry lacks, and `npm ci` then refuses the file. After an
    // update, the native libraries of @matrixai/quic for other platforms are put back by hand: version, os and cpu.
    const missing = Object.entries(packages['node_modules/@matrixai/quic']!.optionalDependencies!).filter(
      ([name, version]) => packages[`node_modules/${name}`]?.version !== version
    )
    expect(missing).to.deep.equal([])
    expect(Object.keys(packages).filter((name) => packages[name]!.extraneous === true)).to.deep.equal([])
  })
})
