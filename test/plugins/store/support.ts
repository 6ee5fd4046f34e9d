import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKernel, type Kernel, type KernelOptions, type Store as StoreType, Store } from '#src/kernel/index.js'
import { levelStore, type LevelStoreOptions } from '#src/plugins/store/index.js'

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

/** A fresh directory for each test, removed after it. */
export function useDirectory(): { readonly path: string } {
  const directory = { path: '' }
  beforeEach(() => {
    directory.path = mkdtempSync(join(tmpdir(), 'peerloom-store-'))
  })
  afterEach(() => {
    rmSync(directory.path, { recursive: true, force: true })
  })
  return directory
}

export interface Opened extends AsyncDisposable {
  readonly kernel: Kernel
  readonly store: StoreType
}

export async function openLevel(
  options: LevelStoreOptions,
  kernelOptions: Omit<KernelOptions, 'plugins'> = {}
): Promise<Opened> {
  const kernel = createKernel({ plugins: [levelStore.with(options)], ...kernelOptions })
  await kernel.start()
  return { kernel, store: kernel.resolve(Store), [Symbol.asyncDispose]: () => kernel.stop() }
}

/** What `start` failed with, without the kernel's wrapping; `undefined` if it did not. */
export async function refusalOf(options: LevelStoreOptions): Promise<Error & { code?: string }> {
  try {
    await (await openLevel(options)).kernel.stop()
  } catch (error) {
    return (error as Error).cause as Error
  }
  throw new Error('was opened')
}

export async function list(store: StoreType): Promise<Record<string, string>> {
  const entries: Record<string, string> = {}
  for await (const [key, value] of store.entries()) entries[key] = Buffer.from(value).toString()
  return entries
}

export const errorOf = (work: Promise<unknown>): Promise<(Error & { code?: string }) | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => error as Error
  )
