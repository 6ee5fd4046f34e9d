import { expect } from 'chai'
import { readFileSync } from 'node:fs'

interface Locked {
  version?: string
  resolved?: string
  link?: boolean
  extraneous?: boolean
  optionalDependencies?: Record<string, string>
}

function packagesOf(folder: string): Record<string, Locked> {
  const { packages } = JSON.parse(readFileSync(`${folder}/package-lock.json`, 'utf8')) as {
    packages: Record<string, Locked>
  }
  return packages
}

describe('the lock file', () => {
  for (const folder of ['.', 'examples/fastify', 'examples/nestjs']) {
    it(`of ${folder} names no registry and no place on a machine`, () => {
      const placed = Object.entries(packagesOf(folder)).filter(([, { resolved }]) => resolved !== undefined)
      // An example links to the package that it is an example of.
      const link = ['node_modules/peerloom', { resolved: '../..', link: true }]
      expect(placed).to.deep.equal(folder === '.' ? [] : [link])
    })
  }

  it('is one that npm 10 and 11 both install from', () => {
    // `npm install` leaves out optional packages that a registry lacks, and `npm ci` then refuses the file. After an
    // update, the native libraries of @matrixai/quic for other platforms are put back by hand: version, os and cpu.
    const packages = packagesOf('.')
    const missing = Object.entries(packages['node_modules/@matrixai/quic']!.optionalDependencies!).filter(
      ([name, version]) => packages[`node_modules/${name}`]?.version !== version
    )
    expect(missing).to.deep.equal([])
    expect(Object.keys(packages).filter((name) => packages[name]!.extraneous === true)).to.deep.equal([])
  })
})
