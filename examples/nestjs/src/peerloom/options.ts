import { ConfigurableModuleBuilder } from '@nestjs/common'
import type { NodeOptions } from 'peerloom'

/** What `createNode` takes, but for the signal: Nest has no way to give a start up. */
export type PeerloomOptions = Omit<NodeOptions, 'signal'>

/** Gives {@link PeerloomModule} its `forRoot` and `forRootAsync`. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<PeerloomOptions>()
  .setClassMethodName('forRoot')
  .build()
