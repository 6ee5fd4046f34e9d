import 'reflect-metadata'
import type { TestContext } from 'node:test'
import type { DynamicModule, INestApplication, Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { Server } from 'node:http'
import { MemoryNetwork, memoryNetwork, memoryTransport, type NodeOptions } from 'peerloom'

/** Options for nodes that meet on a network in this process. */
export function meeting(): () => Pick<NodeOptions, 'plugins'> & object {
  const network = new MemoryNetwork()
  let hosts = 0
  return () => ({ plugins: [memoryNetwork.with({ network, host: `10.0.0.${++hosts}` }), memoryTransport] })
}

/** An application that is closed when the test ends. It serves HTTP when `listen` is called. */
export async function start(test: TestContext, module: DynamicModule | Type): Promise<INestApplication> {
  // A failure is to be thrown, not to end the process.
  const app = await NestFactory.create(module, { logger: false, abortOnError: false })
  test.after(() => app.close())
  return await app.init()
}

/** The answer of an application to a GET. */
export async function get(
  app: INestApplication,
  path: string,
  init?: RequestInit
): Promise<{ status: number; body: Record<string, unknown> }> {
  const server = app.getHttpServer() as Server
  if (!server.listening) await app.listen(0, '127.0.0.1')
  const response = await fetch(`${await app.getUrl()}${path}`, init)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
