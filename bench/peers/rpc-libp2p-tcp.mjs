import { contender } from './rpc-libp2p.mjs'

export const { serve, connect } = contender('tcp')
