import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PeerloomError, systemClock } from '../../index.js'
import type { WorkOrder, WorkReport } from './worker.js'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
const STOP_TIMEOUT_MS = 5_000

/** A process that runs nodes of the demo. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #exited: Promise<string>

  constructor() {
    this.#child = fork(MAIN, ['demo-worker'], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let complaint = ''
    this.#child.stderr?.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2_000)))
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        resolve(
          `a process of the demo ended early (${signal ?? `status ${String(code)}`})${complaint && `: ${complaint.trim()}`}`
        )
      })
      this.#child.once('error', (error) => {
        resolve(`a process of the demo could not be started: ${error.message}`)
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Has the process start its nodes; resolves with their contacts once they have joined. */
  async run(order: WorkOrder): Promise<readonly string[]> {
    const report = new Promise<WorkReport>((resolve) => {
      this.#child.once('message', (message) => {
        resolve(message as WorkReport)
      })
    })
    this.#child.send(order, () => undefined)
    const answer = await Promise.race([report, this.#exited])
    const failure = typeof answer === 'string' ? answer : 'failure' in answer ? answer.failure : undefined
    if (failure !== undefined) throw new PeerloomError('ERR_START', failure)
    return (answer as { contacts: readonly string[] }).contacts
  }

  /** Rejects when the process ends; never resolves. */
  async lost(): Promise<never> {
    throw new PeerloomError('ERR_STOP', await this.#exited)
  }

  /** Lets the process go: it stops its nodes in order. One that does not is ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    const timer = systemClock.setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#exited
    timer.clear()
  }
}
