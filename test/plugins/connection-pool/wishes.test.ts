import { expect } from 'chai'
import fc from 'fast-check'
import { MAX_STAY_MS, MAX_TAGS, OwnWishes, Wishes } from '#src/plugins/connection-pool/wishes.js'
import { larger, nodeId, smaller, startPool } from './doubles.js'

const peers = [1, 2, 3].map(nodeId)
const command = fc.record({
  what: fc.constantFrom('protect', 'unprotect', 'stay', 'forget'),
  owner: fc.nat(2),
  peer: fc.nat(2),
  tag: fc.constantFrom('a', 'b'),
  ms: fc.constantFrom(0, 1_000, 5_000)
})

describe('what plugins wish of peers', () => {
  it('holds for each tag of each plugin until it is taken back, or the plugin has stopped', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const all = new Wishes()
        const owners = [0, 1, 2].map(() => all.owner())
        const [protections, stays] = [new Set<string>(), new Map<string, number>()]
        for (const { what, owner, peer, tag, ms } of commands) {
          const { wishes, forget } = owners[owner]!
          const key = `${owner} ${peer} ${tag}`
          if (what === 'protect') {
            wishes.protect(peers[peer]!, tag)
            protections.add(key)
          } else if (what === 'unprotect') {
            wishes.unprotect(peers[peer]!, tag)
            protections.delete(key)
          } else if (what === 'stay') {
            wishes.stay(peers[peer]!, tag, ms)
            stays.set(key, ms)
          } else {
            forget()
            owners[owner] = all.owner()
            for (const of of [protections, stays])
              for (const k of of.keys()) if (k.startsWith(`${owner} `)) of.delete(k)
          }
        }
        for (const [n, peer] of peers.entries()) {
          expect(all.isProtected(peer)).to.equal([...protections].some((key) => key.split(' ')[1] === String(n)))
          const longest = [...stays].filter(([key]) => key.split(' ')[1] === String(n)).map(([, ms]) => ms)
          expect(all.stayMs(peer)).to.equal(Math.max(0, ...longest))
        }
      })
    )
  })

  it('is limited in number, and what is taken back makes room', () => {
    const wishes = new OwnWishes()
    for (let n = 0; n < MAX_TAGS; n++) wishes.protect(nodeId(n % 200), `tag ${n}`)
    wishes.protect(nodeId(0), 'tag 0')
    for (const more of [() => wishes.protect(larger, 'x'), () => wishes.stay(larger, 'x', 1)]) {
      expect(more).to.throw().with.property('code', 'ERR_LIMIT')
    }
    wishes.unprotect(nodeId(0), 'tag 0')
    wishes.unprotect(nodeId(0), 'tag 0')
    wishes.stay(larger, 'x', 1)
    wishes.stay(larger, 'x', 2)
    wishes.stay(larger, 'x', 0)
    wishes.stay(larger, 'x', 0)
    wishes.protect(larger, 'x')
    expect(() => wishes.protect(larger, 'y'))
      .to.throw()
      .with.property('code', 'ERR_LIMIT')
  })

  it('is a time that makes sense', () => {
    const wishes = new OwnWishes()
    for (const ms of [-1, NaN, Infinity, MAX_STAY_MS + 1]) {
      expect(() => wishes.stay(larger, 'x', ms))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
    expect(wishes.stayMs(larger)).to.equal(0)
  })

  it('belongs to the plugin that said it', async () => {
    const { clock, arrive, views, restartUser, stop } = await startPool({ users: ['chat', 'files'], idleMs: 10_000 })
    const [chat, files] = [views.get('chat')!, views.get('files')!]
    chat.protect(larger, 'friend')
    files.protect(larger, 'friend')
    chat.stay(smaller, 'friend', 3_600_000)
    files.unprotect(larger, 'another tag')
    const [first, second] = [arrive(larger), arrive(smaller)]
    await clock.advance(600_000)
    files.unprotect(larger, 'friend')
    await clock.advance(600_000)
    expect([first.closeInfo, second.closeInfo]).to.deep.equal([undefined, undefined])
    await restartUser('chat')
    await clock.advance(60_000)
    expect([first.closeInfo?.code, second.closeInfo?.code]).to.deep.equal([5, 5])
    await stop()
  })
})
