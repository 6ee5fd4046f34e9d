import { Module } from '@nestjs/common'
import { CalculatorService } from './calculator.service.js'
import { PeersController } from './peers.controller.js'

@Module({
  providers: [CalculatorService],
  controllers: [PeersController]
})
export class CalculatorModule {}
