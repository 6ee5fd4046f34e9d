import { expect } from 'chai'
import { createNode, prepareNode } from 'peerloom'

async function failureOf(options: unknown): Promise<{ code?: string; message: string } | undefined> {
  return createNode(options as never).then(
    async (node) => {
      await node.stop()
      return undefined
    },
    (error: unknown) => error as Error
  )
}

describe('options that JavaScript lets through', () => {
  const bad: Readonly<Record<string, readonly [options: unknown, problem: string]>> = {
    nothing: [null, 'are an object'],
    'a text': ['x', 'are an object'],
    'a misspelt name': [{ prot: 4433 }, '"prot"'],
    'one plugin instead of a list': [{ plugins: 'quic' }, 'plugins'],
    'one seed instead of a list': [{ seeds: 'v…@192.0.2.1:1' }, 'seeds'],
    'one address instead of a list': [{ announce: '192.0.2.1:1' }, 'announce'],
    'a directory that is a number': [{ directory: 5 }, 'directory'],
    'a directory without a name': [{ directory: '' }, 'directory: expected the name of a directory'],
    'a container that is none': [{ container: {} }, 'container: expected something with the methods isRegistered'],
    'half a log': [{ log: { info: () => undefined } }, 'log: expected something with the methods debug'],
    'a clock that is none': [{ clock: {} }, 'clock'],
    'a function for chance': [{ random: () => 4 }, 'random'],
    'a signal that is none': [{ signal: {} }, 'signal']
  }
  for (const [what, [options, problem]] of Object.entries(bad)) {
    it(`are refused by name: ${what}`, async () => {
      const error = await failureOf(options)
      expect(error).to.include({ code: 'ERR_CONFIG' })
      expect(error?.message).to.contain(problem)
    })
  }

  it('are refused all at once, and before anything is made', () => {
    expect(() => prepareNode({ prot: 1, seeds: 5, directory: '' } as never))
      .to.throw('bad options of a node')
      .with.property('message')
      .that.matches(/prot.*seeds.*directory/s)
  })

  it('are taken where they say nothing', async () => {
    expect(await failureOf({ host: '127.0.0.1', port: undefined, directory: undefined, log: console })).to.equal(
      undefined
    )
  })
})
