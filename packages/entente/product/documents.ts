import {
  ICT_ARTIFACT,
  ICT_CERTIFICATE,
  ICT_SCHEME,
  type IctArtifact,
  type IctCertificate,
  type IctScheme,
  validateObject,
} from '@entente/stix'
import type { StixObject } from './commitment.ts'
import { ProductError } from './error.ts'
import { documentId, type Id } from './ids.ts'

/** What a document says beside its extension. Times are STIX timestamps with milliseconds. */
export type Head = {
  /** What it is about, as a chain calls it. */
  id: Id
  name: string
  description?: string | undefined
  created: string
  /** The same as `created` by default. */
  modified?: string | undefined
  /** STIX id of the identity that writes it. */
  createdBy?: string | undefined
  labels?: readonly string[] | undefined
  references?: readonly Readonly<Record<string, unknown>>[] | undefined
}

type Content<T> = Omit<T, 'extension_type'>
const EXTENDS = { extension_type: 'property-extension' } as const

/** A party: manufacturer, body, authority, provider. */
export function identityDocument(
  head: Head,
  more: { contact?: string | undefined; roles?: readonly string[] } = {},
): StixObject {
  return valid({
    ...common('identity', head),
    identity_class: 'organization',
    ...present({ roles: more.roles, contact_information: more.contact }),
  })
}

/** An ICT product, service or process; with `version` and `version_of_ref` one version of it. */
export function artifactDocument(head: Head, content: Content<IctArtifact>): StixObject {
  return valid({
    ...common('infrastructure', head),
    infrastructure_types: [`ict-${content.kind}`],
    extensions: { [ICT_ARTIFACT]: { ...EXTENDS, ...present(content) } },
  })
}

/** A certificate, a certified protection profile, or a statement of conformity. @param published when it was issued */
export function certificateDocument(head: Head, published: string, content: Content<IctCertificate>): StixObject {
  const { issuer_ref, holder_ref, itsef_ref, ncca_ref, scheme_ref, artifact_refs = [], component_refs = [] } = content
  const refs = [issuer_ref, holder_ref, itsef_ref, ncca_ref, scheme_ref, ...artifact_refs, ...component_refs]
  return valid({
    ...common('report', head),
    report_types: [`cybersecurity-${content.kind}`],
    published,
    object_refs: [...new Set(refs.filter(ref => ref !== undefined))],
    extensions: { [ICT_CERTIFICATE]: { ...EXTENDS, ...present(content) } },
  })
}

/** A European or national certification scheme. @param owner STIX id of the identity whose scheme it is */
export function schemeDocument(head: Head, owner: string, content: Content<IctScheme>): StixObject {
  const refs = (content.mapping ?? []).flatMap(({ scheme_ref }) => scheme_ref ?? [])
  return valid({
    ...common('report', head),
    report_types: ['cybersecurity-certification-scheme'],
    published: content.adopted ?? head.created,
    object_refs: [...new Set([owner, ...refs])],
    extensions: { [ICT_SCHEME]: { ...EXTENDS, ...present(content) } },
  })
}

/** @throws ProductError `document` where it is none */
export const readArtifact = (document: StixObject): IctArtifact => extensionOf(document, ICT_ARTIFACT)
/** @throws ProductError `document` where it is none */
export const readCertificate = (document: StixObject): IctCertificate => extensionOf(document, ICT_CERTIFICATE)
/** @throws ProductError `document` where it is none */
export const readScheme = (document: StixObject): IctScheme => extensionOf(document, ICT_SCHEME)

function extensionOf<T>(document: StixObject, key: string): T {
  const { extensions } = valid(document) as { extensions?: Record<string, unknown> }
  const found = extensions?.[key]
  if (found === undefined) throw new ProductError('document', `${String(document.id)} has no extension ${key}`)
  return found as T
}

/** What leaves here is STIX 2.1, our extensions included. @throws ProductError `document` with the first thing that is wrong */
export function valid(document: StixObject): StixObject {
  const { findings } = validateObject(document, { warnings: false })
  const [first] = findings
  if (first === undefined) return document
  throw new ProductError('document', `${first.path}: ${first.message} (STIX 2.1, ${first.section}: ${first.rule})`)
}

export function common(
  type: Parameters<typeof documentId>[0],
  { id, name, description, created, modified = created, createdBy, labels, references }: Head,
): Record<string, unknown> {
  return {
    type,
    spec_version: '2.1',
    id: documentId(type, id),
    created,
    modified,
    ...present({ created_by_ref: createdBy, labels, external_references: references }),
    name,
    ...present({ description }),
  }
}

/** Without what is undefined, empty lists and empty texts: STIX has none of them (2.13, 3.1). */
export function present(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(members).filter(
    ([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
  )
  return Object.fromEntries(entries)
}
