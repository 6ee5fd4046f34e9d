import { expect } from 'chai'
import fc from 'fast-check'
import {
  definePlugin,
  forPlugin,
  multiToken,
  token,
  type Consumer,
  type Kernel,
  type Plugin
} from '#src/kernel/index.js'
import { kernelOf } from './helpers.js'

interface Part {
  readonly id: number
}
const COUNT = 6
const parts = Array.from({ length: COUNT }, (_, i) => token<Part>(`test/part-${i}`))
const All = multiToken<Part>('test/all-parts')
const partOf = (i: number) => parts[i] as (typeof parts)[number]

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Plugins that call the kernel back at any time, start and stop as they like, and note whatever breaks a promise. */
class Chaos {
  readonly broken: string[] = []
  readonly #live = new Map<number, { name: string; uses: number[]; ending: boolean }>()
  #instances = 0
  kernel!: Kernel

  /** @param choose a number below its argument */
  constructor(readonly choose: (below: number) => number) {}

  get live(): number {
    return this.#live.size
  }

  /** Does something to the kernel, or nothing. What it is refused does not matter here. */
  act(): void {
    const { kernel } = this
    const ignore = (promise: Promise<unknown>): void => void promise.catch(() => undefined)
    switch (this.choose(14)) {
      case 0:
        ignore(kernel.stop())
        return
      case 1:
        ignore(kernel.start())
        return
      case 2:
        ignore(kernel.replace(this.make(this.choose(COUNT))))
        return
      case 3:
        kernel.describe()
        return
      case 4:
        ignore(kernel.health())
        return
      case 5:
        try {
          kernel.resolve(partOf(this.choose(COUNT)))
        } catch {
          // It may be stopped, or being replaced.
        }
    }
  }

  make(i: number): Plugin {
    const name = `p${i}`
    const isOneOfMany = i < 3
    return definePlugin({
      name,
      needs: i > 0 ? { below: partOf(this.choose(i)) } : {},
      optional: i === COUNT - 1 ? { all: All } : {},
      provides: isOneOfMany ? { own: partOf(i), all: All } : { own: partOf(i) },
      startTimeout: 50,
      stopTimeout: 50,
      start: async (dependencies, ctx): Promise<never> => {
        const id = ++this.#instances
        const uses = (Object.values(dependencies) as (Part | Part[])[]).flat().map((part) => part.id)
        if (!uses.every((used) => this.#live.has(used))) this.broken.push(`${name} got what is not alive`)
        if ([...this.#live.values()].some((other) => other.name === name && !other.ending))
          this.broken.push(`two ${name}`)
        const self = { name, uses, ending: false }
        this.#live.set(id, self)
        ctx.defer(() => this.#end(id, self))
        ctx.events.stream.subscribe()
        ctx.clock.setTimeout(() => undefined, 1e6)
        this.act()
        const way = this.choose(30)
        if (way < 10) await Promise.resolve()
        else if (way < 15) await turn()
        else if (way === 15) throw new Error('no start')
        const own: Part & { [forPlugin]: (consumer: Consumer) => Part } = {
          id,
          [forPlugin]: ({ defer }) => {
            defer(() => this.#live.has(id) || this.broken.push(`a view of ${name} was taken back late`))
            return { id }
          }
        }
        return (isOneOfMany ? { own, all: own } : { own }) as never
      }
    })
  }

  async #end(id: number, self: { name: string; ending: boolean }): Promise<void> {
    const dependents = [...this.#live.values()].filter(({ uses, ending }) => uses.includes(id) && !ending)
    if (dependents.length > 0)
      this.broken.push(`${self.name} stops before ${dependents.map(({ name }) => name).join()}`)
    self.ending = true
    this.act()
    const way = this.choose(8)
    if (way < 3) await Promise.resolve()
    else if (way === 3) await turn()
    this.#live.delete(id)
    if (way === 4) throw new Error('a dirty end')
  }
}

describe('calls of a kernel that come at any time, from anywhere', () => {
  it('never overlap, and leave nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat(0xffff)), async (numbers) => {
        const chaos = new Chaos((below) => (numbers.next().value as number) % below)
        const kernel = (chaos.kernel = kernelOf(parts.map((_, i) => chaos.make(i))))
        const maybe = (): void => {
          if (chaos.choose(3) === 0) chaos.act()
        }
        kernel.events.subscribe(maybe)
        const watching = kernel.watch(partOf(1)).subscribe(maybe)
        for (let step = 0; step < 12; step++) {
          chaos.act()
          if (chaos.choose(2) === 0) await Promise.resolve()
          if (chaos.choose(4) === 0) await turn()
        }
        watching.unsubscribe()
        // A clean-up or a subscriber may start it again.
        for (let i = 0; i < 100 && !(kernel.state === 'idle' && chaos.live === 0); i++) {
          await kernel.stop().catch(() => undefined)
          await turn()
        }
        expect(chaos.broken).to.deep.equal([])
        expect([kernel.state, chaos.live]).to.deep.equal(['idle', 0])
        expect(kernel.describe().plugins.flatMap(({ registrations }) => registrations)).to.deep.equal([])
      }),
      { numRuns: 200 }
    )
  }).timeout(60_000)
})
