import { Controller, Get, Param, ParseFloatPipe, Query, UseFilters } from '@nestjs/common'
import { Node, type Contact } from 'peerloom'
import { calculatorApi, type Value } from './api.js'
import { ClientGone } from './client-gone.js'
import { PeerloomErrors } from './peerloom-errors.filter.js'

const TIMEOUT_MS = 10_000

/** Has other nodes do the work. */
@Controller('peers')
@UseFilters(PeerloomErrors)
export class PeersController {
  constructor(private readonly node: Node) {}

  @Get(':id')
  find(@Param('id') id: string, @ClientGone() signal: AbortSignal): Promise<Contact> {
    return this.node.find(id, { signal })
  }

  @Get(':id/square')
  square(
    @Param('id') id: string,
    @Query('value', ParseFloatPipe) value: number,
    @ClientGone() signal: AbortSignal
  ): Promise<Value> {
    return this.node.peer(id).rpc(calculatorApi).square({ value }, { signal, timer: TIMEOUT_MS })
  }
}
