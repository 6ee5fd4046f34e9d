import { KernelError } from './errors.js'

declare const type: unique symbol

/**
 * The name by which a contract is asked for and provided: a symbol that carries the contract's type.
 *
 * A token has the same name as its interface, so one import gives both. Only {@link token} makes one; a plain symbol
 * does not type-check.
 *
 * @example
 * export interface Weather { now(): string }
 * export const Weather = token<Weather>('acme/Weather')
 */
export type Token<T> = symbol & { readonly [type]: { provide: (implementation: T) => void; resolve: () => T } }

/**
 * The name of a contract that any number of plugins may provide: each provides one implementation, and a consumer gets
 * all of them. See {@link multiToken}.
 */
export type MultiToken<T> = symbol & {
  readonly [type]: { provide: (implementation: T) => void; resolve: () => readonly T[] }
}

/** A token of whatever type. */
// A token is invariant in its type, so no narrower argument accepts every token.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyToken = Token<any>

/** What a token resolves to: the contract, or an array of them for a {@link MultiToken}. */
export type TokenType<K> = K extends { readonly [type]: { resolve: () => infer T } } ? T : never

/** What a provider of a token hands over: the contract itself. */
export type ProvidedType<K> = K extends { readonly [type]: { provide: (implementation: infer T) => void } } ? T : never

/** Stands in a token's description for "any number of providers", so that it holds for every copy of the package. */
const MANY = '[]'

/**
 * A token for a contract. `name` is `vendor/Contract` (`peerloom/` is put before a bare name); `version` grows when the
 * contract changes so that an older provider no longer fits.
 */
export function token<T>(name: string, version = 1): Token<T> {
  return makeToken(name, '', version) as Token<T>
}

/**
 * A token for a contract that several plugins may provide at once, such as relays or validators. Who `needs` it wants
 * one provider at least; who has it as `optional` gets an empty array if there is none. The array is in the order of
 * the kernel's plugins.
 *
 * @example
 * export interface Validator { check(value: Uint8Array): boolean }
 * export const Validator = multiToken<Validator>('acme/Validator')
 */
export function multiToken<T>(name: string, version = 1): MultiToken<T> {
  return makeToken(name, MANY, version) as MultiToken<T>
}

function makeToken(name: string, suffix: string, version: number): symbol {
  const isText = typeof (name as unknown) === 'string'
  const full = isText && name.includes('/') ? name : `peerloom/${name}`
  if (!isText || !/^[\w.-]+\/[\w.-]+$/.test(full) || !Number.isInteger(version) || version < 1) {
    throw new KernelError(
      'ERR_PLUGIN',
      `not a token: ${name}@${String(version)} (expected vendor/Contract and a version from 1)`
    )
  }
  return Symbol.for(`${full}${suffix}@${String(version)}`)
}

/** Whether several plugins may provide a contract. */
export function isMulti(token: AnyToken): boolean {
  return token.description?.includes(`${MANY}@`) ?? false
}

/** A token's contract and version, as in `{ contract: 'peerloom/Transport', version: 1 }`. */
export function describeToken(token: AnyToken): { contract: string; version: number } {
  const text = token.description ?? ''
  const at = text.lastIndexOf('@')
  return { contract: text.slice(0, at).replace(MANY, ''), version: Number(text.slice(at + 1)) }
}

/** A token as people write it: `Transport@1`, `acme/Weather@2`, `Relay[]@1` for one with any number of providers. */
export function tokenName(token: AnyToken): string {
  return (token.description ?? 'unnamed').replace(/^peerloom\//, '')
}
