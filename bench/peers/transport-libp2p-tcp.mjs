import { contender } from './transport-libp2p.mjs'

export const { serve, client } = contender('tcp')
