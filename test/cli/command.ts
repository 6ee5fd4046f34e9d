import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'

const MAIN = resolve('dist/cli/main.js')

/** The `peerloom` command in a process of its own. */
export class Command implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #exited: Promise<number | null>
  out = ''
  err = ''

  constructor(...args: string[]) {
    this.#child = spawn(process.execPath, [MAIN, ...args])
    this.#child.stdin.end()
    this.#child.stdout.on('data', (chunk: Buffer) => (this.out += chunk.toString()))
    this.#child.stderr.on('data', (chunk: Buffer) => (this.err += chunk.toString()))
    this.#exited = once(this.#child, 'close').then(([code]) => code as number | null)
  }

  /** Waits for text on standard output; fails if the command ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.out)
      if (match !== null) return match
      const ended = await Promise.race([
        once(this.#child.stdout, 'data').then(() => false),
        this.#exited.then(() => true)
      ])
      if (ended && !pattern.test(this.out))
        throw new Error(`the command ended without saying ${String(pattern)}: ${this.out}${this.err}`)
    }
  }

  /** As `head` does once it has read enough. */
  closeOutput(): void {
    this.#child.stdout.destroy()
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  get exit(): Promise<number | null> {
    return this.#exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL')
    await this.#exited
  }
}
