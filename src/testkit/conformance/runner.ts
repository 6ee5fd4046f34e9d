/** What a suite needs of a test runner; mocha, jest, vitest and node:test fit. */
export interface TestRunner {
  readonly describe: (name: string, define: () => void) => unknown
  readonly it: (name: string, test: () => Promise<void>) => unknown
}
