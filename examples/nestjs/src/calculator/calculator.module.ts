import { Module } from '@nestjs/common'
import { Router } from 'peerloom'
import { PeerloomModule } from '../peerloom/index.js'
import { CalculatorService } from './calculator.service.js'
import { PeersController } from './peers.controller.js'

@Module({
  imports: [PeerloomModule.forContracts(Router)],
  providers: [CalculatorService],
  controllers: [PeersController]
})
export class CalculatorModule {}
