// An application as a plugin: five handlers as classes, and the callers that belong to them.
import {
  ClientCaller,
  definePlugin,
  DuplexCaller,
  RawCaller,
  RpcRegistry,
  ServerCaller,
  UnaryCaller,
  type HandlerTypes
} from 'peerloom'
import { AccumulateClient, CountServer, EchoDuplex, FactorialRaw, SquaredNumberUnary } from './handlers.js'

/** Offers the five methods on this node. */
export const calculator = definePlugin({
  name: 'calculator',
  needs: { rpc: RpcRegistry },
  start({ rpc }) {
    rpc.register({
      SquaredNumberUnary: new SquaredNumberUnary({}),
      AccumulateClient: new AccumulateClient({}),
      CountServer: new CountServer({}),
      EchoDuplex: new EchoDuplex({}),
      FactorialRaw: new FactorialRaw({})
    })
  }
})

type Squared = HandlerTypes<SquaredNumberUnary>
type Accumulate = HandlerTypes<AccumulateClient>
type Count = HandlerTypes<CountServer>
type Echo = HandlerTypes<EchoDuplex>

/** The same methods from the caller's side: `node.peer(id).rpc(calculatorApi)`. */
export const calculatorApi = {
  SquaredNumberUnary: new UnaryCaller<Squared['input'], Squared['output']>(),
  AccumulateClient: new ClientCaller<Accumulate['input'], Accumulate['output']>(),
  CountServer: new ServerCaller<Count['input'], Count['output']>(),
  EchoDuplex: new DuplexCaller<Echo['input'], Echo['output']>(),
  FactorialRaw: new RawCaller()
}
