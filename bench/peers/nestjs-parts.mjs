import { usedBy } from './used-by.mjs'

class Part {
  constructor(value) {
    this.value = value
  }

  async onModuleDestroy() {}
}

/** A provider for each part, injected with what the part uses. */
export function providersOf(parts) {
  const tokens = Array.from({ length: parts }, (_, i) => Symbol(`part-${i}`))
  return tokens.map((provide, i) => ({
    provide,
    inject: usedBy(i).map((j) => tokens[j]),
    useFactory: async (...used) => new Part(used.reduce((sum, { value }) => (sum + value) % 1_000, 1))
  }))
}
