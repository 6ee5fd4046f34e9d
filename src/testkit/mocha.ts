import { stopAll } from './stop-after-test.js'

/**
 * A root hook plugin of mocha: `mocha --require peerloom/testkit/mocha`. After each test it stops what the test has
 * left running; what does not stop fails the test by name.
 */
export const mochaHooks = {
  async afterEach(this: { timeout(ms: number): unknown }): Promise<void> {
    // stopAll has deadlines of its own, and they name who is late.
    this.timeout(0)
    await stopAll()
  }
}
