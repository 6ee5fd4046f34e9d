import { expect } from 'chai'
import { SILENCE_MS, Suspicion } from '#src/plugins/quic-transport/suspicion.js'

describe('suspicious silence', () => {
  it('is that in which an acknowledgement is waited for', () => {
    const suspicion = new Suspicion()
    suspicion.note(0, true, false)
    expect(suspicion.due).to.equal(Infinity)
    suspicion.note(10_000, false, true)
    expect(suspicion.due).to.equal(10_000 + SILENCE_MS)
    suspicion.note(10_100, false, true)
    expect(suspicion.look(10_000 + SILENCE_MS - 1, () => 0)).to.equal(false)
    expect(suspicion.look(10_000 + SILENCE_MS, () => 0)).to.equal(true)
  })

  it('ends when something is heard, and begins again', () => {
    const suspicion = new Suspicion()
    suspicion.note(0, false, true)
    suspicion.note(200, true, true)
    expect(suspicion.due).to.equal(200 + SILENCE_MS)
    suspicion.note(300, true, false)
    expect(suspicion.due).to.equal(Infinity)
  })

  it('is longer where round trips are, and is told again later', () => {
    const suspicion = new Suspicion()
    suspicion.note(0, false, true)
    expect(suspicion.look(SILENCE_MS, () => 500)).to.equal(false)
    expect(suspicion.due).to.equal(1_000)
    expect(suspicion.look(1_000, () => 500)).to.equal(true)
    expect(suspicion.look(1_001, () => 500)).to.equal(false)
    expect(suspicion.due).to.equal(2_000)
  })
})
