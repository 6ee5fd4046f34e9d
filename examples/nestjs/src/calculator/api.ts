import { client, unary } from 'peerloom'

export interface Value {
  value: number
}

/** The methods of a calculator, as its callers and its handlers know them. */
export const calculatorApi = {
  square: unary<Value, Value>(),
  sum: client<Value, Value>()
}
