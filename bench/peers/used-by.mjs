/** The earlier parts that a part uses: up to two. The same as in ../ours/start-stop.ts. */
export function usedBy(i) {
  if (i === 0) return []
  return i % 3 === 0 ? [i >> 1] : [...new Set([i - 1, i >> 1])]
}
