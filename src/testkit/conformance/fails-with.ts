import assert from 'node:assert/strict'

/** For `assert.throws` and `assert.rejects`: an error with this code, and with these further properties. */
export function failsWith(code: string, details: object = {}): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Error, 'what was thrown is no Error')
    const seen = Object.fromEntries(Object.keys(details).map((key) => [key, Reflect.get(error, key) as unknown]))
    assert.deepEqual({ code: Reflect.get(error, 'code') as unknown, ...seen }, { code, ...details })
    return true
  }
}
