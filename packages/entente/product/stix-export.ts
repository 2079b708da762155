import { namedId } from '@entente/stix'
import type { StixObject } from './commitment.ts'
import { type DisclosedCase, labelled } from './disclosed.ts'
import { common, present, valid } from './documents.ts'

/**
 * A case as STIX: the vulnerability, which versions have it, each label as a note in its asserter's words, and a report that holds them together. Ids follow from the case, so that a
 * later export is a new version of the same objects.
 *
 * @param modified of these objects
 * @throws ProductError `document`
 */
export function toStix(disclosed: DisclosedCase, modified: string): StixObject[] {
  const { id, title, description, cve, number, publisher } = disclosed
  const head = { id, created: disclosed.disclosed, modified, createdBy: publisher.identity }
  const vulnerability = valid({
    ...common('vulnerability', {
      ...head,
      name: cve ?? title,
      description,
      references: [
        ...(cve === undefined ? [] : [{ source_name: 'cve', external_id: cve }]),
        { source_name: 'advisory', external_id: number },
        ...(disclosed.references ?? []).map(({ summary, url }) => ({ source_name: summary, url })),
      ],
    }),
  })
  const written = { spec_version: '2.1', created: head.created, modified, created_by_ref: publisher.identity }
  const statements = labelled(disclosed).flatMap(({ label, version }) => {
    const of = `${id}/${version.id}/${publisher.identity}`
    const words = [label.status.replaceAll('_', ' '), label.justification].filter(part => part !== undefined)
    const fix = disclosed.versions.find(each => each.id === label.fixedBy)
    const note = valid({
      type: 'note',
      ...written,
      id: namedId('note', `label/${of}`),
      abstract: `${version.product} ${version.number}: ${label.status}`,
      content: [words.join(': '), ...(fix === undefined ? [] : [`Fixed in ${fix.product} ${fix.number}.`])].join('\n'),
      labels: [label.status.replaceAll('_', '-')],
      authors: [publisher.name],
      object_refs: [version.document, vulnerability.id, ...(fix === undefined ? [] : [fix.document])],
    })
    if (label.status !== 'affected') return [note]
    const relationship = valid({
      type: 'relationship',
      ...written,
      id: namedId('relationship', `has/${of}`),
      // STIX 2.1, 4.8: infrastructure has vulnerability.
      relationship_type: 'has',
      source_ref: version.document,
      target_ref: vulnerability.id,
    })
    return [note, relationship]
  })
  const report = valid({
    ...common('report', { ...head, name: `${number} ${title}`, description }),
    report_types: ['vulnerability'],
    published: disclosed.disclosed,
    ...present({
      object_refs: [
        ...new Set([vulnerability, ...statements].map(object => object.id)),
        ...disclosed.versions.map(({ document }) => document),
      ],
    }),
  })
  return [vulnerability, ...statements, report]
}
