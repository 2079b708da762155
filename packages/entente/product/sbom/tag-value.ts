import { ProductError } from '../error.ts'
import { createCounter } from '../input.ts'

/** Members of a package in the JSON form, by their tags (SPDX 2.3 clause 7). */
const PACKAGE: Readonly<Record<string, string>> = {
  SPDXID: 'SPDXID',
  PackageVersion: 'versionInfo',
  PackageSupplier: 'supplier',
  PackageLicenseConcluded: 'licenseConcluded',
  PackageLicenseDeclared: 'licenseDeclared',
}

/**
 * A tag-value document in the form of the JSON one, as far as `spdx.ts` reads that.
 *
 * @throws ProductError `syntax`, `too-big`
 */
export function parseTagValue(text: string): unknown {
  const packages: Record<string, unknown>[] = []
  const relationships: unknown[] = []
  let spdxVersion = ''
  /** The package that the lines are about; none while they are about the document, a file or a snippet. */
  let current: Record<string, unknown> | undefined
  for (const [tag, value] of pairs(text)) {
    if (tag === 'SPDXVersion') spdxVersion = value
    else if (tag === 'PackageName') {
      current = { name: value, checksums: [], externalRefs: [] }
      packages.push(current)
    } else if (tag === 'FileName' || tag === 'SnippetSPDXID' || tag === 'LicenseID') current = undefined
    else if (tag === 'Relationship') {
      const [spdxElementId, relationshipType, relatedSpdxElement] = words(value)
      relationships.push({ spdxElementId, relationshipType, relatedSpdxElement })
    } else if (current !== undefined) {
      if (tag === 'ExternalRef') {
        const [, referenceType, referenceLocator] = words(value)
        ;(current.externalRefs as unknown[]).push({ referenceType, referenceLocator })
      } else if (tag === 'PackageChecksum') {
        const [algorithm = '', checksumValue] = words(value)
        ;(current.checksums as unknown[]).push({ algorithm: algorithm.replace(/:$/, ''), checksumValue })
      } else {
        const member = PACKAGE[tag]
        if (member !== undefined) current[member] = value
      }
    }
  }
  return { spdxVersion, packages, relationships }
}

const words = (value: string): string[] => value.split(' ').filter(word => word !== '')

/** Tags and values; a text between `<text>` and `</text>` may have several lines. */
function* pairs(text: string): Generator<[tag: string, value: string]> {
  const count = createCounter('SPDX: lines', 5_000_000)
  for (let at = 0; at < text.length; ) {
    count()
    const end = text.indexOf('\n', at) < 0 ? text.length : text.indexOf('\n', at)
    const line = text.slice(at, end).trim()
    const start = at
    at = end + 1
    if (line === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    if (colon < 1) throw new ProductError('syntax', `SPDX: no tag in the line ${JSON.stringify(line.slice(0, 80))}`)
    const tag = line.slice(0, colon)
    const value = line.slice(colon + 1).trim()
    if (!value.startsWith('<text>')) {
      yield [tag, value]
      continue
    }
    const open = text.indexOf('<text>', start) + 6
    const close = text.indexOf('</text>', open)
    if (close < 0) throw new ProductError('syntax', `SPDX: a text of ${tag.slice(0, 80)} has no end`)
    yield [tag, text.slice(open, close)]
    const after = text.indexOf('\n', close)
    at = after < 0 ? text.length : after + 1
  }
}
