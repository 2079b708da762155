import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { documentId, SUBJECTS, type Subject, subjectId } from '#product/ids.ts'

/** Whoever has a name has its id; the way back is remembered here, and checked: an id is the hash of its name. */
export type Names = {
  /** The id of a name; what is an id already stays. */
  id(kind: Subject, name: string): string
  /** A name, where it is known. */
  known(id: string): string | undefined
  /** A name, or the beginning of the id where none is known. */
  show(id: string): string
  /** The name of a party by the STIX id of its identity, where it is known. */
  identity(ref: string): string | undefined
  /** Keeps the names of ids that were made since. */
  keep(): void
}

const ID = /^0x[0-9a-f]{64}$/
const isSubject = (kind: unknown): kind is Subject => (SUBJECTS as readonly unknown[]).includes(kind)

/** The file of them, in the folder of the federation. */
export const NAMES = 'names.jsonl'

export function openNames(dir: string): Names {
  const file = join(dir, NAMES)
  const known = new Map<string, string>()
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
  for (const line of lines) {
    const [kind, name] = parse(line)
    if (isSubject(kind) && typeof name === 'string' && name !== '') known.set(subjectId(kind, name), name)
  }
  const made = new Map<string, [Subject, string]>()
  return {
    id(kind, name) {
      if (ID.test(name)) return name
      const id = subjectId(kind, name)
      if (!known.has(id)) made.set(id, [kind, name])
      known.set(id, name)
      return id
    },
    known: id => known.get(id),
    show: id => known.get(id) ?? (ID.test(id) ? `${id.slice(0, 12)}…` : id),
    identity: ref => [...known].find(([id]) => documentId('identity', id) === ref)?.[1],
    keep() {
      // A line that is cut off by a crash is no JSON, and left out.
      if (made.size > 0) appendFileSync(file, [...made.values()].map(one => `${JSON.stringify(one)}\n`).join(''))
      made.clear()
    },
  }
}

function parse(line: string): unknown[] {
  try {
    const value: unknown = JSON.parse(line)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}
