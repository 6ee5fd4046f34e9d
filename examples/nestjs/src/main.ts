// PORT: where to serve HTTP. PEERLOOM_PORT: the node's UDP port. SEED: the contact of a node to join through.
import 'reflect-metadata'
import { Logger } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Node } from 'peerloom'
import { AppModule } from './app.module.js'

const { PORT = '3000', PEERLOOM_PORT, SEED } = process.env

const app = await NestFactory.create(
  AppModule.with({
    ...(PEERLOOM_PORT === undefined ? {} : { port: Number(PEERLOOM_PORT) }),
    ...(SEED === undefined ? {} : { seeds: [SEED] })
  })
)
// Without this, SIGTERM ends the process before the node has told its peers.
app.enableShutdownHooks()
await app.listen(PORT)
new Logger('Peerloom').log(`others join through ${app.get(Node).contact.toString()}`)
