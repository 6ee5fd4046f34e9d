/** The middle value; the mean of the two middle ones if their number is even. Throws for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted[sorted.length >> 1]
  const lower = sorted[(sorted.length - 1) >> 1]
  if (upper === undefined || lower === undefined) throw new RangeError('no values')
  return (lower + upper) / 2
}

/** The least and the greatest value. */
export function spread(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)].map(significant) as [number, number]
}

/** How many times better ours is than theirs: above 1, ours is ahead, whichever direction is better. */
export function timesBetter(better: 'higher' | 'lower', ours: number, theirs: number): number {
  return better === 'higher' ? ours / theirs : theirs / ours
}

/** Rounded to three digits that say something; whole numbers above 1,000 keep all theirs. */
export function significant(value: number): number {
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(3))
}
