import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const CORPUS = fileURLToPath(new URL('../../../test/load/corpus.json', import.meta.url))

export const KINDS = ['initial', 'handshake', 'short', 'versionNegotiation', 'retry', 'zeroRtt', 'probe'] as const
export type Kind = (typeof KINDS)[number]

/** Real datagrams, by what they are. */
export type Corpus = Readonly<Record<Kind, readonly Buffer[]>>

export function readCorpus(): Corpus {
  const texts = JSON.parse(readFileSync(CORPUS, 'utf8')) as Record<Kind, readonly string[]>
  return byKind((kind) => texts[kind].map((text) => Buffer.from(text, 'base64')))
}

export function writeCorpus(corpus: Corpus): void {
  const texts = byKind((kind) => corpus[kind].map((data) => data.toString('base64')))
  writeFileSync(CORPUS, `${JSON.stringify(texts, undefined, 2)}\n`)
}

export function byKind<T>(of: (kind: Kind) => T): Record<Kind, T> {
  return Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as Record<Kind, T>
}
