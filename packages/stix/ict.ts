/** The extension definitions of `types/ict.ts` as STIX objects (section 7.3), and ids that follow from names. */
import { uuid5 } from './deterministic-id.ts'
import { toJsonSchema } from './json-schema.ts'
import { extensions } from './table.ts'
import { ICT_ARTIFACT, ICT_CERTIFICATE, ICT_COMMITMENT, ICT_SCHEME } from './types/ict.ts'

/** Namespace of all ids that this project derives from names (RFC 4122 section 4.3). Never that of section 2.9, which is for cyber-observables. */
export const ICT_NAMESPACE = '1ec87264-bd40-46a0-aecf-3e682aabd428'

/** Of the extension definitions: they do not change under one version. */
const PUBLISHED = '2026-11-22T00:00:00.000Z'

/**
 * A STIX id that follows from a name, so that who writes an object twice writes it under one id. The UUID has version 5: 2.9 has 4 as a SHOULD.
 *
 * @example
 * namedId('identity', 'party/ANSSI') // identity--…, always the same
 */
export const namedId = (type: string, name: string): string => `${type}--${uuid5(ICT_NAMESPACE, name)}`

/** Who defines the extensions. */
export const ictIdentity = {
  type: 'identity',
  spec_version: '2.1',
  id: namedId('identity', 'identity/entente'),
  created: PUBLISHED,
  modified: PUBLISHED,
  name: 'Entente',
  description: 'The project that defines the extensions ict-artifact, ict-certificate, ict-scheme and ict-commitment.',
  identity_class: 'class',
} as const

const ABOUT: readonly (readonly [id: string, name: string, description: string])[] = [
  [
    ICT_ARTIFACT,
    'ict-artifact',
    'On infrastructure: an ICT product, service or process (CSA Article 2), or one version of it.',
  ],
  [ICT_CERTIFICATE, 'ict-certificate', 'On report: a European or national cybersecurity certificate (CSA Article 56).'],
  [
    ICT_SCHEME,
    'ict-scheme',
    'On report: a European or national cybersecurity certification scheme (CSA Articles 49, 57).',
  ],
  [
    ICT_COMMITMENT,
    'ict-commitment',
    'On any object: the salt of its commitment, SHA-256 over its canonical JSON (RFC 8785).',
  ],
]

/** The objects to publish beside documents that use the extensions. `schema` is the JSON Schema itself. */
export const ictExtensionDefinitions: readonly Readonly<Record<string, unknown>>[] = ABOUT.map(
  ([id, name, description]) => {
    const extension = extensions.get(id)
    if (extension === undefined) throw new Error(`the table has no extension ${id}`)
    return {
      type: 'extension-definition',
      spec_version: '2.1',
      id,
      created: PUBLISHED,
      modified: PUBLISHED,
      created_by_ref: ictIdentity.id,
      name,
      description,
      schema: JSON.stringify(toJsonSchema(extension, name, description)),
      version: '1.0.0',
      extension_types: ['property-extension'],
    }
  },
)
