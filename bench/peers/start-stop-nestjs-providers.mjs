import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { providersOf } from './nestjs-parts.mjs'

/** See suites/kernel.ts. */
export function prepare(parts) {
  class System {}
  Module({ providers: providersOf(parts) })(System)
  return async () => {
    const app = await NestFactory.createApplicationContext(System, { logger: false, abortOnError: false })
    await app.close()
  }
}
