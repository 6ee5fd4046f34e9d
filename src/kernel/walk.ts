/**
 * Works through the given nodes of a graph as parallel as it allows: each when all that it waits for are done; those
 * not given count as done. `work` returns true (at once or later) for the walk to go on to those that wait for it,
 * false for them to be left out. Resolves when nothing is under way any more. `work` must not reject.
 */
export function walk<N>(
  nodes: readonly N[],
  waitsFor: ReadonlyMap<N, ReadonlySet<N>>,
  waiters: ReadonlyMap<N, ReadonlySet<N>>,
  work: (node: N) => boolean | Promise<boolean>
): Promise<void> {
  return new Promise((resolve) => {
    const open = new Map<N, number>()
    const ready: N[] = []
    let underWay = 0
    let draining = false
    for (const node of nodes) open.set(node, 0)
    for (const node of nodes) {
      let count = 0
      for (const other of waitsFor.get(node) ?? []) if (open.has(other)) count++
      open.set(node, count)
      if (count === 0) ready.push(node)
    }
    const finish = (node: N, goOn: boolean): void => {
      underWay--
      if (!goOn) return
      for (const waiter of waiters.get(node) ?? []) {
        const before = open.get(waiter)
        if (before === undefined) continue
        open.set(waiter, before - 1)
        if (before === 1) ready.push(waiter)
      }
    }
    // A loop, not recursion: a chain of thousands of nodes that finish at once must not overflow the stack.
    const drain = (): void => {
      if (draining) return
      draining = true
      for (let i = 0; i < ready.length; i++) {
        const node = ready[i] as N
        underWay++
        const result = work(node)
        if (typeof result === 'boolean') finish(node, result)
        else {
          void result.then((goOn) => {
            finish(node, goOn)
            drain()
          })
        }
      }
      ready.length = 0
      draining = false
      if (underWay === 0) resolve()
    }
    drain()
  })
}
