import { expect } from 'chai'
import fc from 'fast-check'
import type { Path } from '#src/kernel/index.js'
import { FIRST_GAP_MS, MAX_QUESTIONS, Questions, type Answer } from '#src/plugins/paths/questions.js'

const path = (n: number): Path => ({ local: { host: '10.0.0.1', port: 1 }, remote: { host: '10.0.0.2', port: n } })

interface Sent {
  readonly number: string
  readonly path: Path
  readonly at: number
}

function world(): { questions: Questions; sent: Sent[]; runTo: (end: number) => void; now: () => number } {
  const sent: Sent[] = []
  let now = 0
  let numbers = 0
  const questions = new Questions({
    newNumber: () => String(++numbers),
    send: (_, number, over) => sent.push({ number, path: over, at: now })
  })
  const runTo = (end: number): void => {
    questions.run(now)
    for (let due = questions.due; due <= end; due = questions.due) {
      now = Math.max(now, due)
      questions.run(now)
    }
    now = end
  }
  return { questions, sent, runTo, now: () => now }
}

/** Asks over a path, and remembers how it ended. */
function ask(questions: Questions, over: Path, now: number, more: object = {}): (Answer | undefined)[] {
  const ends: (Answer | undefined)[] = []
  questions.ask({ kind: 'probe', path: over, timeoutMs: 4_000, end: (answer) => ends.push(answer), ...more }, now)
  return ends
}

describe('questions over paths', () => {
  it('are asked at once, after 33 ms, and after twice as long each time, until the time is up', () => {
    const { questions, sent, runTo } = world()
    const ends = ask(questions, path(1), 0)
    runTo(3_999)
    expect(sent.map(({ at }) => at)).to.deep.equal([0, 1, 3, 7, 15, 31, 63].map((times) => times * FIRST_GAP_MS))
    expect(ends).to.deep.equal([])
    runTo(4_000)
    expect(ends).to.deep.equal([undefined])
    expect([questions.size, questions.outstanding, questions.due]).to.deep.equal([0, 0, Infinity])
  })

  it('are answered by any of their numbers, once, with the round trip of that one', () => {
    const { questions, sent, runTo } = world()
    const ends = ask(questions, path(1), 0)
    runTo(100)
    expect(questions.answered(sent[1]!.number, path(1), 110)).to.equal('proved')
    expect(ends).to.deep.equal([{ path: path(1), rttMs: 110 - FIRST_GAP_MS }])
    for (const { number } of sent) expect(questions.answered(number, path(1), 120)).to.equal('unasked')
    runTo(10_000)
    expect(sent).to.have.length(3)
    expect(ends).to.have.length(1)
  })

  it('are asked where an answer came from before that counts, once for each number', () => {
    const { questions, sent, runTo } = world()
    const ends = ask(questions, path(1), 0)
    runTo(10)
    expect(questions.answered(sent[0]!.number, path(2), 10)).to.equal('led')
    expect(questions.answered(sent[0]!.number, path(3), 11)).to.equal('elsewhere')
    expect(ends).to.deep.equal([])
    expect(sent[1]).to.deep.include({ path: path(2), at: 10 })
    expect(questions.answered(sent[1]!.number, path(4), 12)).to.equal('elsewhere')
    expect(questions.answered(sent[1]!.number, path(2), 15)).to.equal('proved')
    expect(ends).to.deep.equal([{ path: path(2), rttMs: 5 }])
  })

  it('take the answer of the path that was asked although somebody has sent it on from elsewhere first', () => {
    const { questions, sent, runTo } = world()
    const ends = ask(questions, path(1), 0)
    runTo(10)
    questions.answered(sent[0]!.number, path(9), 10)
    expect(questions.answered(sent[0]!.number, path(1), 11)).to.equal('proved')
    expect(ends).to.deep.equal([{ path: path(1), rttMs: 11 }])
  })

  it('that are asked once are asked again only when told, and answered by that path alone', () => {
    const { questions, sent, runTo } = world()
    const ends = ask(questions, path(1), 0, { once: true })
    runTo(1_000)
    expect(sent).to.have.length(1)
    expect(questions.answered(sent[0]!.number, path(2), 1_000)).to.equal('elsewhere')
    expect(sent).to.have.length(1)
    for (const question of questions) question.due = 1_000
    runTo(1_001)
    expect(sent).to.have.length(2)
    expect(questions.answered(sent[1]!.number, path(1), 1_002)).to.equal('proved')
    expect(ends).to.have.length(1)
  })

  it('stay within their limits, and end once each, whatever is answered', () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 500 }),
      over: fc.integer({ min: 1, max: 5 }),
      asks: fc.integer({ min: 0, max: 20 }),
      answer: fc.option(fc.nat()),
      from: fc.integer({ min: 1, max: 5 })
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { questions, sent, runTo, now } = world()
        const all: { ends: (Answer | undefined)[]; isAsked: boolean }[] = []
        let received = 0
        for (const { wait, over, asks, answer, from } of steps) {
          for (let i = 0; i < asks; i++) {
            const room = questions.size < MAX_QUESTIONS
            all.push({ ends: ask(questions, path(over), now()), isAsked: room })
          }
          runTo(now() + wait)
          const before = sent.length
          if (answer !== null && sent.length > 0) {
            questions.answered(sent[answer % sent.length]!.number, path(from), now())
            received++
          }
          expect(sent.length - before, 'what one answer elicits').to.be.at.most(1)
          expect(questions.size).to.be.at.most(MAX_QUESTIONS)
          expect(questions.outstanding).to.be.at.most(12 * MAX_QUESTIONS)
        }
        runTo(now() + 4_000)
        for (const { ends, isAsked } of all) expect(ends).to.have.length(isAsked ? 1 : 0)
        expect([questions.size, questions.outstanding]).to.deep.equal([0, 0])
        expect(sent.length).to.be.at.most(7 * all.length + received)
      })
    )
  })
})
