import type { Status } from './advisory.ts'
import { ProductError } from './error.ts'
import type { Id } from './ids.ts'

/** A case that was disclosed, with what one party says of it: what an advisory is made of. Times are STIX timestamps. */
export type DisclosedCase = {
  /** On the vulnerability chain. */
  id: Id
  /** The number of the advisory: letters, digits, dots, hyphens. */
  number: string
  title: string
  description: string
  cve?: string | undefined
  /** Vectors of any version. */
  cvss: readonly string[]
  disclosed: string
  /** Whose words the labels are. An advisory is its publisher's statement: labels of others are not in it. */
  publisher: Publisher
  versions: readonly CaseVersion[]
  labels: readonly CaseLabel[]
  references?: readonly { summary: string; url: string }[]
}
export type Publisher = {
  name: string
  /** URL (CSAF 3.2.1.8.5). */
  namespace: string
  category: 'vendor' | 'coordinator' | 'discoverer'
  /** STIX id of its identity. */
  identity: string
}
export type CaseVersion = {
  id: Id
  manufacturer: string
  product: string
  number: string
  purl?: string | undefined
  cpe?: string | undefined
  /** STIX id of its document. */
  document: string
}
export type CaseLabel = {
  version: Id
  status: Status
  /** Of `not_affected`: a flag of CSAF, or words. */
  justification?: string | undefined
  /** Of `affected`: the version to change to. */
  fixedBy?: Id | undefined
  at: string
}

/**
 * The labels with their versions.
 *
 * @throws ProductError `document` where there is none, one is about a version that isn't there or that has another, or *not affected* has no reason
 */
export function labelled({ versions, labels, number }: DisclosedCase): { label: CaseLabel; version: CaseVersion }[] {
  const byId = new Map(versions.map(version => [version.id, version]))
  const seen = new Set<Id>()
  const refuse = (why: string): never => {
    throw new ProductError('document', `${number}: ${why}`)
  }
  if (labels.length === 0) refuse('nothing is said of any version, so there is no advisory')
  return labels.map(label => {
    const version =
      byId.get(label.version) ?? refuse(`a label is about the version ${label.version}, which is not given`)
    if (seen.has(label.version))
      refuse(`two labels of one party on ${version.product} ${version.number}: the newest counts`)
    seen.add(label.version)
    if (label.status === 'not_affected' && !label.justification) {
      refuse(`${version.product} ${version.number} is not affected: why?`)
    }
    if (label.fixedBy !== undefined && !byId.has(label.fixedBy)) {
      refuse(`the version ${label.fixedBy}, which fixes ${version.product} ${version.number}, is not given`)
    }
    return { label, version }
  })
}
