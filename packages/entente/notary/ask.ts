/**
 * Something that is asked by many at a time, and answers all who came before it was asked: at most one ask is under way and one waits for it.
 *
 * @param ask what it comes to; nobody is given the outcome of one that began before they came
 */
export function createAsk<T>(ask: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined
  let next: Promise<T> | undefined

  function begin(): Promise<T> {
    next = undefined
    current = ask().finally(() => {
      if (!next) current = undefined
    })
    return current
  }
  return () => {
    if (!current) return begin()
    next ??= current.then(begin, begin)
    return next
  }
}
