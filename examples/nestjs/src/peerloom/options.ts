import { ConfigurableModuleBuilder } from '@nestjs/common'
import type { NodeOptions } from 'peerloom'

/** What `prepareNode` takes. */
export type PeerloomOptions = Omit<NodeOptions, 'signal'>

/** Gives {@link PeerloomModule} its `forRoot` and `forRootAsync`. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<PeerloomOptions>()
  .setClassMethodName('forRoot')
  .build()
