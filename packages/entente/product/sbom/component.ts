import type { Cpe } from '../cpe.ts'
import { parseCpe } from '../cpe.ts'
import { ProductError } from '../error.ts'
import { type Purl, parsePurl } from '../purl.ts'

/** What a product is made of, whichever format said so. */
export type Component = {
  /** As the file calls it: `bom-ref`, `SPDXID`. */
  ref: string
  name: string
  version: string | undefined
  supplier: string | undefined
  purl: Purl | undefined
  cpes: readonly Cpe[]
  /** In hexadecimal, by the names of algorithms that STIX has: SHA-256. */
  hashes: Readonly<Record<string, string>>
  /** An SPDX licence expression, or a name. */
  licence: string | undefined
  /** Names from the product down to the component: the shortest way; the product alone where the file says no way. */
  path: readonly string[]
}

export type Sbom = {
  format: 'CycloneDX' | 'SPDX'
  specVersion: string
  /** What the file is about. */
  subject: Component | undefined
  components: readonly Component[]
  /** Names in the file that are none, by which nothing can be found: at most 100. */
  problems: readonly string[]
}

/** A component before anybody knows how it hangs together. */
export type Draft = Omit<Component, 'path'>

const MAX_PROBLEMS = 100
const MAX_NAMES = 100

/** Names that are none are told, and not a reason to refuse a file that names ten thousand others. */
export function createNames(problems: string[]) {
  function tell<T>(parse: (text: string) => T, text: string): T | undefined {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof ProductError)) throw error
      if (problems.length < MAX_PROBLEMS) problems.push(error.message)
      return undefined
    }
  }
  return {
    purl: (text: string | undefined): Purl | undefined => (text === undefined ? undefined : tell(parsePurl, text)),
    cpes: (texts: readonly string[]): Cpe[] => texts.slice(0, MAX_NAMES).flatMap(text => tell(parseCpe, text) ?? []),
  }
}

const HASH = /^[0-9a-f]{32,128}$/
/** SHA256 and SHA-256 are one name; what is no hexadecimal hash is left out. */
export function hashesOf(pairs: readonly (readonly [algorithm: string, hex: string])[]): Record<string, string> {
  const hashes: Record<string, string> = {}
  for (const [algorithm, hex] of pairs) {
    const name = algorithm.toUpperCase().replace(/^SHA(?=[1-9])/, 'SHA-')
    const value = hex.toLowerCase()
    if (HASH.test(value) && /^[A-Z0-9-]{1,20}$/.test(name)) hashes[name] = value
  }
  return hashes
}

/** Who contains or depends on whom, by refs. */
export type Edges = ReadonlyMap<string, readonly string[]>

export function createEdges() {
  const edges = new Map<string, string[]>()
  return {
    edges,
    link(from: string, to: string): void {
      const known = edges.get(from)
      if (known === undefined) edges.set(from, [to])
      else known.push(to)
    },
  }
}

/** Each component with the shortest way to it from the product. */
export function withPaths(subject: Draft | undefined, drafts: readonly Draft[], edges: Edges): Component[] {
  const names = new Map(
    drafts.map(({ ref, name, version }) => [ref, version === undefined ? name : `${name} ${version}`]),
  )
  const start = subject === undefined ? [] : [subject.name]
  const paths = new Map<string, readonly string[]>()
  const queue: [ref: string, path: readonly string[]][] = [[subject?.ref ?? '', start]]
  for (let at = 0; at < queue.length; at++) {
    const [ref, path] = queue[at] ?? ['', []]
    for (const next of edges.get(ref) ?? []) {
      const name = names.get(next)
      if (name === undefined || paths.has(next) || next === subject?.ref) continue
      // Beyond this nobody reads on; and a chain of a file's whole length would take the square of it.
      const longer = path.length < MAX_PATH ? [...path, name] : path
      paths.set(next, longer)
      queue.push([next, longer])
    }
  }
  return drafts.map(draft => ({
    ...draft,
    path: paths.get(draft.ref) ?? [...start, names.get(draft.ref) ?? draft.name],
  }))
}

const MAX_PATH = 64
