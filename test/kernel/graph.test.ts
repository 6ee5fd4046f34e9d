import { expect } from 'chai'
import { buildGraph } from '#src/kernel/graph.js'
import { Clock, definePlugin, token, type Plugin } from '#src/kernel/index.js'
import { kernelOf, rejection, scripted } from './helpers.js'

const fail = (plugins: Plugin[]): string => {
  try {
    buildGraph(plugins)
  } catch (error) {
    expect(error).to.have.property('code', 'ERR_GRAPH')
    return (error as Error).message
  }
  throw new Error('expected ERR_GRAPH')
}

describe('the graph of plugins', () => {
  it('reports every missing, duplicate and cyclic edge at once, with the path', () => {
    const message = fail([
      scripted('a', [], { needs: ['b'] }),
      scripted('b', [], { needs: ['c'] }),
      scripted('c', [], { needs: ['a'] }),
      scripted('d', [], { needs: ['nowhere'] }),
      scripted('self', [], { needs: ['self'] }),
      definePlugin({ name: 'e', provides: { own: token('test/d') }, start: () => ({ own: 1 }) }),
      scripted('f', [])
    ])
    expect(message).to.contain('cycle: a → b → c → a')
    expect(message).to.contain('cycle: self → self')
    expect(message).to.contain('d needs test/nowhere@1, which no plugin provides')
    expect(message).to.contain('test/d@1 is provided by d and by e')
    expect(message.split('\n')).to.have.length(5)
  })

  it('lists every edge that lies on a cycle, also where cycles share plugins', () => {
    const message = fail([
      scripted('a', [], { needs: ['b', 'c'] }),
      scripted('b', [], { needs: ['c'] }),
      scripted('c', [], { needs: ['a', 'harmless'] }),
      scripted('harmless', []),
      scripted('onlooker', [], { needs: ['a'] })
    ])
    const edges = new Set<string>()
    for (const [, cycle = ''] of message.matchAll(/cycle: (.*)/g)) {
      const names = cycle.split(' → ')
      names.slice(1).forEach((name, i) => edges.add(`${names[i]}${name}`))
    }
    expect([...edges].sort()).to.deep.equal(['ab', 'ac', 'bc', 'ca'])
  })

  it('tells by way of whom a contract is missing', () => {
    const message = fail([
      scripted('app', [], { needs: ['router'] }),
      scripted('router', [], { needs: ['pool'] }),
      scripted('pool', [], { needs: ['transport'] })
    ])
    expect(message).to.contain('app → router → pool needs test/transport@1, which no plugin provides')
  })

  it('names both versions when a contract is provided in another one', () => {
    const message = fail([
      definePlugin({ name: 'old', provides: { own: token('test/x', 1) }, start: () => ({ own: 1 }) }),
      definePlugin({ name: 'new', needs: { x: token('test/x', 2) }, start: () => undefined })
    ])
    expect(message).to.contain('new needs test/x@2, but old provides test/x@1')
  })

  it('counts optional edges as cycles too, and leaves out those that nobody provides', () => {
    expect(fail([scripted('a', [], { optional: ['b'] }), scripted('b', [], { needs: ['a'] })])).to.contain('a → b → a')
    const { order } = buildGraph([scripted('a', [], { optional: ['b', 'ghost'] }), scripted('b', [])])
    expect(order.map(({ name }) => name)).to.deep.equal(['b', 'a'])
  })

  it('refuses a second fulfilment of what the kernel provides itself', async () => {
    const plugin = definePlugin({ name: 'mine', provides: { clock: Clock }, start: () => ({ clock: {} as Clock }) })
    const error = await rejection(kernelOf([plugin]).start())
    expect(error.message).to.contain('Clock@1 is provided by the kernel and by mine')
  })

  it('orders a chain of thousands', () => {
    const plugins = Array.from({ length: 5000 }, (_, i) =>
      scripted(`p${i}`, [], i === 0 ? {} : { needs: [`p${i - 1}`] })
    )
    const { order } = buildGraph([...plugins].reverse())
    expect(order).to.deep.equal(plugins)
  })

  it('finds one cycle, and all that is missing, among thousands of plugins', () => {
    const chain = Array.from({ length: 5000 }, (_, i) => {
      const needs = [
        ...(i === 0 ? [] : [`p${i - 1}`]),
        ...(i === 2500 ? ['p2502'] : []),
        ...(i % 2 === 0 ? [`m${i}`] : [])
      ]
      return scripted(`p${i}`, [], { needs })
    })
    const lines = fail(chain).split('\n')
    expect(lines.filter((line) => line.includes('cycle'))).to.have.length(1)
    expect(lines.find((line) => line.includes('cycle'))).to.contain('p2500 → p2502 → p2501 → p2500')
    expect(lines.filter((line) => line.includes('which no plugin provides'))).to.have.length(2500)
  })

  it('refuses two plugins of one name', () => {
    expect(fail([scripted('a', []), definePlugin({ name: 'a', start: () => undefined })])).to.contain(
      'two plugins are named a'
    )
  })
})
