import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { providersOf } from './nestjs-parts.mjs'
import { usedBy } from './used-by.mjs'

/** See suites/kernel.ts. */
export function prepare(parts) {
  const modules = []
  for (const [i, provider] of providersOf(parts).entries()) {
    class PartModule {}
    const imports = usedBy(i).map((j) => modules[j])
    Module({ imports, providers: [provider], exports: [provider.provide] })(PartModule)
    modules.push(PartModule)
  }
  class System {}
  Module({ imports: modules })(System)
  return async () => {
    const app = await NestFactory.createApplicationContext(System, { logger: false, abortOnError: false })
    await app.close()
  }
}
