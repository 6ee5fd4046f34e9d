import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * A program of this folder in a process of its own, which answers questions one after another: `[name, argument]` is
 * answered with a value. What else it says, in an object, goes to `said`.
 */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #said: (data: string) => void
  #answer: ((value: unknown) => void) | undefined
  /** What it has written on standard error. */
  complaints = ''
  /** Its first answer. */
  first: unknown

  private constructor(program: string, args: readonly string[], said: (data: string) => void) {
    const path = fileURLToPath(new URL(program, import.meta.url))
    const stdio = ['ignore', 'inherit', 'pipe', 'ipc'] as const
    this.#process = fork(path, args, { execArgv: ['--expose-gc', '--enable-source-maps'], stdio: [...stdio] })
    this.#said = said
    this.#process.stderr!.on('data', (chunk: Buffer) => (this.complaints += chunk.toString()))
    this.#process.on('message', (message: { said: string } | { answer: unknown }) => {
      if ('said' in message) this.#said(message.said)
      else this.#answer?.(message.answer)
    })
  }

  /** Resolves once it has given its first answer, which it does by itself. */
  static async start(program: string, args: readonly string[], said?: (data: string) => void): Promise<Child> {
    const child = new Child(program, args, said ?? (() => undefined))
    child.first = await child.#answered()
    return child
  }

  async ask<T>(name: string, argument?: unknown): Promise<T> {
    const answered = this.#answered()
    if (this.#process.connected) this.#process.send([name, argument])
    return (await answered) as T
  }

  /** Lets it end, and says with what code it did; null if it was killed by a signal. */
  async end(): Promise<number | null> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit')
      if (this.#process.connected) this.#process.disconnect()
      await exited
    }
    return this.#process.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await exited
    }
  }

  #answered(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error(`the process ended: ${this.complaints || 'it said nothing'}`))
      this.#process.once('exit', onExit)
      this.#answer = (value) => {
        this.#process.off('exit', onExit)
        resolve(value)
      }
    })
  }
}

/** The other side, in the program: gives the first answer, and answers questions until nobody asks any more. */
export function answer(
  first: unknown,
  answers: Record<string, (argument: never) => unknown>,
  end: () => Promise<void>
): void {
  process.on('message', ([name, argument]: [string, never]) => {
    void Promise.resolve(answers[name]!(argument)).then((value) => process.send!({ answer: value ?? null }))
  })
  process.once('disconnect', () => void end())
  process.send!({ answer: first })
}

/** Tells something unasked. */
export function say(said: string): void {
  if (process.connected) process.send!({ said })
}
