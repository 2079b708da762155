/** STIX Meta Objects (section 7) and the bundle (section 8). */
import { commonProperties, objectType } from './common.ts'
import {
  deprecated,
  list,
  needsWithout,
  type ObjectType,
  oneOf,
  properties,
  ref,
  required,
  string,
  timestamp,
} from './kinds.ts'
import { extensionType } from './vocabularies.ts'

export const metaObjects: readonly ObjectType[] = [
  objectType('meta', 'language-content', '7.1.1', commonProperties.languageContent, {
    object_ref: required(ref('sdo', 'sro', 'sco', 'meta')),
    object_modified: timestamp,
    contents: required({ kind: 'dictionary', keys: 'language', values: { kind: 'dictionary' } }),
  }),
  objectType(
    'meta',
    'marking-definition',
    '7.2.1.1',
    commonProperties.markingDefinition,
    { name: string, definition_type: deprecated(string), definition: deprecated({ kind: 'marking' }) },
    [needsWithout('extensions', 'definition_type'), needsWithout('extensions', 'definition')],
  ),
  objectType('meta', 'extension-definition', '7.3.1', commonProperties.extensionDefinition, {
    name: required(string),
    description: string,
    schema: required(string),
    version: required(string),
    extension_types: required(list(oneOf(extensionType))),
    extension_properties: list(string),
  }),
]

/** A transport container, not a STIX Object: it cannot be a member of a collection by itself. */
export const bundle: ObjectType = {
  name: 'bundle',
  section: '8.1',
  class: 'bundle',
  properties: properties('8.1', {
    type: required({ kind: 'own-type' }),
    id: required({ kind: 'own-id' }),
    objects: list({ kind: 'stix-object' }),
  }),
  constraints: [],
}
