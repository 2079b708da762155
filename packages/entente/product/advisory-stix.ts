import { namedId } from '@entente/stix'
import type { Advisory } from './advisory.ts'
import type { Finding } from './affected.ts'
import type { StixObject } from './commitment.ts'
import { scoreCvss } from './cvss.ts'
import { common, valid } from './documents.ts'
import { ProductError } from './error.ts'
import { documentId, subjectId } from './ids.ts'

/**
 * Somebody's advisory and what it means for versions of artifacts, as STIX: each vulnerability with its CVE number and scores, which versions have it, and a report of all.
 *
 * @param by STIX id of the identity that found this out
 * @param at created and modified of the objects
 * @throws ProductError `document`
 */
export function advisoryToStix(advisory: Advisory, findings: readonly Finding[], by: string, at: string): StixObject[] {
  const vulnerabilities = new Map<string, StixObject>(
    advisory.vulnerabilities.map(({ id, title, description, cvss }) => {
      const isCve = /^CVE-[0-9]{4}-[0-9]{4,19}$/.test(id)
      const scores = cvss.flatMap(vector => scored(vector))
      const object = valid(
        common('vulnerability', {
          id: subjectId('vulnerability', id),
          name: id,
          description: description ?? title,
          created: at,
          createdBy: by,
          references: [
            isCve ? { source_name: 'cve', external_id: id } : { source_name: 'advisory', external_id: id },
            ...(isCve && advisory.id !== id ? [{ source_name: 'advisory', external_id: advisory.id }] : []),
            ...scores.map(text => ({ source_name: 'cvss', description: text })),
          ],
        }),
      )
      return [id, object] as const
    }),
  )
  const relationships = findings
    .filter(({ status }) => status === 'affected')
    .flatMap(({ version, vulnerability }): StixObject[] => {
      const target = vulnerabilities.get(vulnerability)
      if (target === undefined) return []
      const relationship = valid({
        type: 'relationship',
        spec_version: '2.1',
        id: namedId('relationship', `has/${vulnerability}/${version}/${by}`),
        created: at,
        modified: at,
        created_by_ref: by,
        relationship_type: 'has',
        source_ref: documentId('infrastructure', version),
        target_ref: target.id,
      })
      return [relationship]
    })
  const objects = [...vulnerabilities.values(), ...relationships]
  if (objects.length === 0)
    throw new ProductError('document', `${advisory.id.slice(0, 80)} says nothing of any vulnerability`)
  const report = valid({
    ...common('report', {
      id: subjectId('vulnerability', `advisory ${advisory.id.replaceAll('\n', ' ')}`),
      name: advisory.title,
      created: at,
      createdBy: by,
      references: [{ source_name: advisory.publisher, external_id: advisory.id }],
    }),
    report_types: ['vulnerability'],
    published: at,
    object_refs: objects.map(({ id }) => id),
  })
  return [...objects, report]
}

/** A vector that is none is the advisory's mistake, and says nothing. */
function scored(vector: string): string[] {
  try {
    const { version, score, rating } = scoreCvss(vector)
    return [`CVSS ${version}: ${score} (${rating}), ${vector}`]
  } catch (error) {
    if (error instanceof ProductError) return []
    throw error
  }
}
