/** The newest `size` entries; a value is given back by `set`. */
export function createCache<T>(size: number) {
  const entries = new Map<string, T>()
  return {
    get: (key: string) => entries.get(key),
    set: (key: string, value: T): T => {
      entries.delete(key)
      entries.set(key, value)
      if (entries.size > size) for (const oldest of entries.keys()) if (entries.delete(oldest)) break
      return value
    },
  }
}
