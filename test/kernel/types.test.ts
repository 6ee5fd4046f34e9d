import { expect } from 'chai'
import { z } from 'zod'
import { createKernel, definePlugin, plugin, token, use, useOptional, type Token } from '#src/kernel/index.js'

// What must and must not compile. The build is the test: an expected error that does not occur fails it.

interface Engine {
  power: number
}
const Engine = token<Engine>('test/Engine')
interface Wheel {
  size: number
}
const Wheel = token<Wheel>('test/Wheel')

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const assertType = <T extends true>(): T | undefined => undefined

export const engine = definePlugin({
  name: 'engine',
  provides: { engine: Engine },
  start: () => ({ engine: { power: 1 } })
})

export const car = definePlugin({
  name: 'car',
  needs: { engine: Engine },
  optional: { spare: Wheel },
  config: z.object({ doors: z.number().default(4) }),
  start(dependencies, context) {
    assertType<Equal<typeof dependencies.engine, Engine>>()
    assertType<Equal<typeof dependencies.spare, Wheel | undefined>>()
    const { config } = context
    assertType<Equal<typeof config, { doors: number }>>()
    expect(config.doors).to.equal(4)
    // @ts-expect-error: not among its dependencies
    expect(dependencies.wheel).to.equal(undefined)
  }
})

export const wrongProvider = definePlugin({
  name: 'wrong',
  provides: { engine: Engine },
  // @ts-expect-error: start returns something else than the contract
  start: () => ({ engine: { size: 1 } })
})

// @ts-expect-error: start returns nothing though the plugin provides
export const noProvider = definePlugin({ name: 'none', provides: { engine: Engine }, start: () => undefined })

// @ts-expect-error: a plain symbol is no token
export const plainSymbol = definePlugin({ name: 'plain', needs: { engine: Symbol('engine') }, start: () => undefined })

// @ts-expect-error: an interface's token is not that of another
export const otherToken: Token<Engine> = Wheel

export const configured = car.with({ doors: 2 })
// @ts-expect-error: the schema wants a number
export const misconfigured = car.with({ doors: 'two' })
// @ts-expect-error: a plugin without a schema takes no configuration
export const unconfigurable = engine.with({})

export const resolving = (): void => {
  const kernel = createKernel({ plugins: [engine, car] })
  assertType<Equal<ReturnType<typeof kernel.resolve<typeof Engine>>, Engine>>()
  expect(kernel.resolve(Engine).power).to.equal(1)
  // @ts-expect-error: a plain symbol is no token
  kernel.resolve(Symbol('engine'))
  // @ts-expect-error: a string is no plugin
  createKernel({ plugins: ['engine'] })
}

@plugin({ name: 'bicycle', provides: { wheel: Wheel } })
export class Bicycle {
  constructor(
    @use(Wheel) readonly wheel: Wheel,
    @useOptional(Engine) readonly motor: Engine | undefined
  ) {}

  start(): { wheel: Wheel } {
    return { wheel: this.wheel }
  }
}

export class Misused {
  constructor(
    // @ts-expect-error: the parameter is of another type than the token
    @use(Wheel) readonly wheel: Engine,
    // @ts-expect-error: an optional contract may be undefined
    @useOptional(Engine) readonly motor: Engine
  ) {}
}

// @ts-expect-error: start does not return what the class provides
@plugin({ name: 'unicycle', provides: { wheel: Wheel } })
export class Unicycle {
  start(): { engine: Engine } {
    return { engine: { power: 0 } }
  }
}

// @ts-expect-error: a class plugin needs a start
@plugin({ name: 'pedestrian' })
export class Pedestrian {
  walk(): void {
    return undefined
  }
}

describe('the types of the kernel', () => {
  it('hold: this file compiles', () => {
    expect(engine.name).to.equal('engine')
  })
})
