import assert from 'node:assert/strict'

/** Turns of the event loop after which nothing more is expected: seconds, on any machine. */
const MANY_TURNS = 500_000

/** Lets the event loop turn until the condition holds; false if it does not within `turns`. */
export async function happens(condition: () => boolean, turns = MANY_TURNS): Promise<boolean> {
  for (let i = 0; i < turns; i++) {
    if (condition()) return true
    await new Promise((resolve) => setImmediate(resolve))
  }
  return condition()
}

/** Waits for what no event announces; fails if it never comes true. */
export async function until(condition: () => boolean): Promise<void> {
  assert.ok(await happens(condition), `this did not come true: ${condition.toString()}`)
}
