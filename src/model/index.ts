export { Address, type AddressScope } from './address.js'
export { Contact, MAX_CONTACT_ADDRESSES } from './contact.js'
export { InvalidInputError, PeerloomError } from './errors.js'
export { NodeId, NODE_ID_BYTES } from './node-id.js'
