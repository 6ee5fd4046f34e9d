export { levelStore, type LevelStoreOptions } from './level-plugin.js'
export { memoryStore, type MemoryStoreOptions } from './memory-plugin.js'
