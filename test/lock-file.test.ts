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
  for (const folder of ['.', 'bench', 'examples/fastify', 'examples/nestjs']) {
    it(`of ${folder} names no registry and no place on a machine`, () => {
      const placed = Object.entries(packagesOf(folder)).filter(([, { resolved }]) => resolved !== undefined)
      // An example links to the package that it is an example of.
      const link = ['node_modules/peerloom', { resolved: '../..', link: true }]
      expect(placed).to.deep.equal(folder.startsWith('examples/') ? [link] : [])
    })
  }

  // `npm install` leaves out optional packages that a registry lacks, and `npm ci` then refuses the file. After an
  // update, native libraries for other platforms are put back by hand: version, os and cpu.
  for (const folder of ['.', 'bench']) {
    it(`of ${folder} is one that npm 10 and 11 both install from`, () => {
      const packages = packagesOf(folder)
      const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
        Object.keys(optionalDependencies).filter(
          (name) => !(`node_modules/${name}` in packages) && !(`${place}/node_modules/${name}` in packages)
        )
      )
      expect(missing).to.deep.equal([])
      expect(Object.keys(packages).filter((name) => packages[name]!.extraneous === true)).to.deep.equal([])
    })
  }

  it('has the native libraries of QUIC for every platform, in the version of the package', () => {
    const packages = packagesOf('.')
    const wrong = Object.entries(packages['node_modules/@matrixai/quic']!.optionalDependencies!).filter(
      ([name, version]) => packages[`node_modules/${name}`]?.version !== version
    )
    expect(wrong).to.deep.equal([])
  })
})
