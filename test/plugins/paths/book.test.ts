import { expect } from 'chai'
import fc from 'fast-check'
import type { Path } from '#src/kernel/index.js'
import { MAX_PATHS, PathBook } from '#src/plugins/paths/book.js'

const path = (n: number): Path => ({ local: { host: '10.0.0.1', port: 1 }, remote: { host: '10.0.0.2', port: n } })
const ports = (paths: readonly Path[]): number[] => paths.map(({ remote }) => remote.port)

const step = fc.tuple(fc.constantFrom('suggest', 'prove', 'use', 'forget'), fc.integer({ min: 1, max: 20 }))

describe('the book of paths', () => {
  it('has the path in use first, each path once, and no more than it may', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const book = new PathBook(path(1))
        let inUse = 1
        for (const [i, [what, port]] of steps.entries()) {
          const before = ports(book.proved)
          if (what === 'suggest') {
            book.suggest(path(port))
            expect(ports(book.proved)).to.deep.equal(before)
          } else if (what === 'prove') {
            const { news, lost } = book.prove(path(port), i)
            expect(news).to.equal(!before.includes(port))
            if (lost !== undefined) expect(before).to.have.length(MAX_PATHS).and.include(lost.remote.port)
            expect(ports(book.proved)).to.include(port)
          } else if (what === 'use') {
            book.use(path(port), i)
            inUse = port
          } else {
            expect(book.forget(path(port))).to.equal(before.slice(1).includes(port))
          }
          const all = ports(book.all)
          expect(all[0]).to.equal(inUse)
          expect(new Set(all).size).to.equal(all.length)
          expect(all.length).to.be.at.most(MAX_PATHS)
          expect(all.slice(0, book.proved.length)).to.deep.equal(ports(book.proved))
          expect(book.hasOthers).to.equal(all.length > 1)
        }
      })
    )
  })

  it('gives up the path that was proved longest ago, and candidates before any of them', () => {
    const book = new PathBook(path(1))
    for (let n = 2; n <= MAX_PATHS; n++) book.prove(path(n), n)
    book.suggest(path(50))
    expect(book.has(path(50))).to.equal(false)
    book.prove(path(2), 100)
    expect(book.prove(path(51), 101)).to.deep.equal({ news: true, lost: path(3) })
    book.forget(path(4))
    book.suggest(path(52))
    book.suggest(path(53))
    expect(ports(book.all).at(-1)).to.equal(53)
    expect(book.prove(path(54), 102).lost).to.equal(undefined)
    expect(book.has(path(53))).to.equal(false)
  })
})
