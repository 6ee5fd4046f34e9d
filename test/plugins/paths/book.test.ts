import { expect } from 'chai'
import fc from 'fast-check'
import type { Path } from '#src/kernel/index.js'
import { MAX_PATHS, PathBook } from '#src/plugins/paths/book.js'

const path = (n: number): Path => ({ local: { host: '10.0.0.1', port: 1 }, remote: { host: '10.0.0.2', port: n } })
const ports = (paths: readonly Path[]): number[] => paths.map(({ remote }) => remote.port)

const step = fc.tuple(fc.constantFrom('prove', 'use', 'forget'), fc.integer({ min: 1, max: 20 }))

describe('the book of paths', () => {
  it('has the path in use first, each path once, and no more than it may', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const book = new PathBook(path(1))
        let inUse = 1
        for (const [i, [what, port]] of steps.entries()) {
          const before = ports(book.paths)
          if (what === 'prove') {
            const { news, lost } = book.prove(path(port), i)
            expect(news).to.equal(!before.includes(port))
            if (lost !== undefined) expect(before).to.have.length(MAX_PATHS).and.include(lost.remote.port)
            expect(ports(book.paths)).to.include(port)
            expect(book.provedAt(path(port))).to.equal(port === inUse ? undefined : i)
          } else if (what === 'use') {
            book.use(path(port), i)
            inUse = port
          } else {
            expect(book.forget(path(port))).to.equal(before.slice(1).includes(port))
          }
          const paths = ports(book.paths)
          expect(paths[0]).to.equal(inUse)
          expect(new Set(paths).size).to.equal(paths.length)
          expect(paths.length).to.be.at.most(MAX_PATHS)
          expect(book.hasOthers).to.equal(paths.length > 1)
          const oldest = book.paths.slice(1).map((each) => book.provedAt(each) ?? 0)
          expect(book.oldestProof).to.equal(Math.min(...oldest, Infinity))
        }
      })
    )
  })

  it('gives up the path that was proved longest ago', () => {
    const book = new PathBook(path(1))
    for (let n = 2; n <= MAX_PATHS; n++) book.prove(path(n), n)
    book.prove(path(2), 100)
    expect(book.prove(path(51), 101)).to.deep.equal({ news: true, lost: path(3) })
    expect(book.use(path(52), 102)).to.deep.equal(path(4))
    expect(ports(book.paths)).to.deep.equal([52, 1, 51, 2, 8, 7, 6, 5])
  })
})
