import { Module, type DynamicModule } from '@nestjs/common'
import { CalculatorModule } from './calculator/calculator.module.js'
import { PeerloomModule, type PeerloomOptions } from './peerloom/index.js'

@Module({})
export class AppModule {
  static with(node: PeerloomOptions): DynamicModule {
    return { module: AppModule, imports: [PeerloomModule.forRoot(node), CalculatorModule] }
  }
}
