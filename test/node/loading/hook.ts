// Runs in the thread of module hooks; tells every module that is imported.
import { writeSync } from 'node:fs'
import type { LoadHook } from 'node:module'

export const load: LoadHook = (url, context, next) => {
  writeSync(2, `${url}\n`)
  return next(url, context)
}
