import { Injectable } from '@nestjs/common'
import { z } from 'zod'
import { RpcHandler } from '../peerloom/index.js'
import { calculatorApi, type Value } from './api.js'

const input = z.object({ value: z.number() })

/** A provider whose methods other nodes can call. */
@Injectable()
export class CalculatorService {
  @RpcHandler(calculatorApi, 'square', { input })
  square({ value }: Value): Value {
    return { value: value ** 2 }
  }

  @RpcHandler(calculatorApi, 'sum', { input })
  async sum(values: AsyncIterable<Value>): Promise<Value> {
    let sum = 0
    for await (const { value } of values) sum += value
    return { value: sum }
  }
}
