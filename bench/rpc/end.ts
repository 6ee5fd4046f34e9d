// One end of a measurement, run as a process of its own:
//   end.js serve CONTENDER SETTINGS                                 says where it is, and serves until its input ends
//   end.js measure CONTENDER SETTINGS WHERE NAME AMOUNT BUDGET_MS   says the figure
import { pathToFileURL } from 'node:url'
import type { Contender, Settings } from './contender.js'
import { measures } from './measures.js'

const [role, contender = '', settingsText = '{}', where = '', name = '', amount = '0', budget = '0'] =
  process.argv.slice(2)
const { serve, connect } = (await import(pathToFileURL(contender).href)) as Contender
const settings = JSON.parse(settingsText) as Settings

if (role === 'serve') {
  process.stdin.resume().once('end', () => process.exit(0))
  process.stdout.write(`${JSON.stringify(await serve(settings))}\n`)
} else {
  const measure = measures[name]
  if (measure === undefined) throw new RangeError(`no such measure: ${name}`)
  const place = (JSON.parse(where) as { where: never }).where
  const figure = await measure(await connect(place, settings), Number(amount), Number(budget))
  process.stdout.write(JSON.stringify(figure), () => process.exit(0))
}
