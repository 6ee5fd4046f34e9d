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

/** A token of whatever type. */
// A token is invariant in its type, so no narrower argument accepts every token.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyToken = Token<any>

/** The type that a token stands for. */
export type TokenType<K> = K extends Token<infer T> ? T : never

/**
 * A token for a contract. `name` is `vendor/Contract` (`peerloom/` is put before a bare name); `version` grows when the
 * contract changes so that an older provider no longer fits.
 */
export function token<T>(name: string, version = 1): Token<T> {
  const full = name.includes('/') ? name : `peerloom/${name}`
  if (!/^[\w.-]+\/[\w.-]+$/.test(full) || !Number.isInteger(version) || version < 1) {
    throw new KernelError(
      'ERR_PLUGIN',
      `not a token: ${name}@${String(version)} (expected vendor/Contract and a version from 1)`
    )
  }
  return Symbol.for(`${full}@${String(version)}`) as Token<T>
}

/** A token's contract and version, as in `{ contract: 'peerloom/Transport', version: 1 }`. */
export function describeToken(token: AnyToken): { contract: string; version: number } {
  const text = token.description ?? ''
  const at = text.lastIndexOf('@')
  return { contract: text.slice(0, at), version: Number(text.slice(at + 1)) }
}

/** A token as people write it: `Transport@1`, `acme/Weather@2`. */
export function tokenName(token: AnyToken): string {
  return (token.description ?? 'unnamed').replace(/^peerloom\//, '')
}
