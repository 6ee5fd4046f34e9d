import { expect } from 'chai'
import { z } from 'zod'
import {
  createKernel,
  definePlugin,
  multiToken,
  plugin,
  token,
  use,
  useOptional,
  type MultiToken,
  type Token
} from '#src/kernel/index.js'

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

const Spare = multiToken<Wheel>('test/Spare')

export const spares = definePlugin({
  name: 'spares',
  provides: { spare: Spare },
  start: () => ({ spare: { size: 3 } })
})

export const trunk = definePlugin({
  name: 'trunk',
  needs: { spares: Spare },
  optional: { more: Spare, engine: Engine },
  start(dependencies) {
    assertType<Equal<typeof dependencies.spares, readonly Wheel[]>>()
    // An array is there even if nobody provides anything, so it is no `undefined`.
    assertType<Equal<typeof dependencies.more, readonly Wheel[]>>()
    assertType<Equal<typeof dependencies.engine, Engine | undefined>>()
    expect(dependencies.more).to.deep.equal([])
  }
})

export const allSpares = definePlugin({
  name: 'all-spares',
  provides: { spare: Spare },
  // @ts-expect-error: a plugin provides one of many, not the array
  start: () => ({ spare: [{ size: 3 }] })
})

// @ts-expect-error: a contract with many providers is not one with a single provider
export const single: Token<Wheel> = Spare
// @ts-expect-error: nor the other way round
export const many: MultiToken<Wheel> = Wheel

export const configured = car.with({ doors: 2 })
// @ts-expect-error: the schema wants a number
export const misconfigured = car.with({ doors: 'two' })
// @ts-expect-error: a plugin without a schema takes no configuration
export const unconfigurable = engine.with({})

export const resolving = (): void => {
  const kernel = createKernel({ plugins: [engine, car] })
  assertType<Equal<ReturnType<typeof kernel.resolve<typeof Engine>>, Engine>>()
  expect(kernel.resolve(Engine).power).to.equal(1)
  assertType<Equal<ReturnType<typeof kernel.tryResolve<typeof Engine>>, Engine | undefined>>()
  assertType<Equal<ReturnType<typeof kernel.resolve<typeof Spare>>, readonly Wheel[]>>()
  kernel.watch(Wheel).subscribe((wheel) => {
    assertType<Equal<typeof wheel, Wheel | undefined>>()
    expect(wheel).to.equal(undefined)
  })
  // @ts-expect-error: only a plugin can take the place of one
  void kernel.replace({ name: 'engine' })
  // @ts-expect-error: a plain symbol is no token
  kernel.resolve(Symbol('engine'))
  // @ts-expect-error: a string is no plugin
  createKernel({ plugins: ['engine'] })
}

@plugin({ name: 'bicycle', provides: { wheel: Wheel } })
export class Bicycle {
  constructor(
    @use(Wheel) readonly wheel: Wheel,
    @use(Spare) readonly spares: readonly Wheel[],
    @useOptional(Spare) readonly more: readonly Wheel[],
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
    @useOptional(Engine) readonly motor: Engine,
    // @ts-expect-error: there may be many
    @use(Spare) readonly spare: Wheel
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
