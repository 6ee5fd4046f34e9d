/** An object in which some members are others. */
export function altered<T extends object>(object: T, changes: Partial<T>): T {
  return new Proxy(object, {
    get(target, key) {
      const value: unknown = Reflect.get(key in changes ? changes : target, key)
      return typeof value === 'function' && !(key in changes) ? (value.bind(target) as unknown) : value
    },
    set: (target, key, value) => Reflect.set(target, key, value)
  })
}
