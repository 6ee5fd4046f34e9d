import type { TestRunner } from '#src/testkit/index.js'

/** Milliseconds after which a test of a broken implementation counts as failed. */
const LIMIT_MS = 1_500

export type SuiteTests = ReadonlyMap<string, () => Promise<void>>

/** The tests that a suite registers, by title, instead of running them. */
export function testsOf(register: (runner: TestRunner) => void): SuiteTests {
  const tests = new Map<string, () => Promise<void>>()
  register({
    describe: (_name, define) => {
      define()
    },
    it: (title, test) => {
      if (tests.has(title)) throw new Error(`two tests have one title: ${title}`)
      tests.set(title, test)
    }
  })
  return tests
}

/** How a test failed, or `undefined` if it passed. */
export async function failureOf(test: (() => Promise<void>) | undefined): Promise<unknown> {
  if (test === undefined) throw new Error('there is no such test')
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<unknown>((resolve) => {
    timer = setTimeout(() => {
      resolve(new Error('the test came to no end'))
    }, LIMIT_MS)
  })
  const outcome = test().then(
    () => undefined,
    (error: unknown) => error ?? new Error('failed')
  )
  const failure = await Promise.race([outcome, late])
  clearTimeout(timer)
  return failure
}
