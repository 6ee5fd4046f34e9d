export { createTestNetwork, type AddOptions, type TestNetworkOptions, type TestPlugins } from './create.js'
export { MAX_LOGGED_EVENTS, type LoggedEvent } from './event-log.js'
export { TEST_PORT, TestNetwork, type NodesOf } from './test-network.js'
