// The public face of Peerloom.
export * from './kernel/index.js'
export * from './model/index.js'
