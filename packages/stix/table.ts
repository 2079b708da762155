/** The one table of STIX 2.1: every object type and every extension that we know, with their properties. */
import type { Extension, ObjectType } from './types/kinds.ts'
import { cyberObservableObjects } from './types/sco.ts'
import { domainObjects } from './types/sdo.ts'
import { bundle, metaObjects } from './types/meta.ts'
import { knownExtensionDefinitions, predefinedExtensions } from './types/extensions.ts'
import { ictExtensions } from './types/ict.ts'
import { relationshipObjects } from './types/sro.ts'

/** Every type name of STIX 2.1 (sections 4 to 8) with its definition. */
export const objectTypes: ReadonlyMap<string, ObjectType> = new Map(
  [...domainObjects, ...relationshipObjects, ...cyberObservableObjects, ...metaObjects, bundle].map(type => [
    type.name,
    type,
  ]),
)

/** Every extension that we know, by its key in `extensions`: predefined names and ids of extension definitions. */
export const extensions: ReadonlyMap<string, Extension> = new Map(
  [...predefinedExtensions, ...knownExtensionDefinitions, ...ictExtensions].map(extension => [
    extension.name,
    extension,
  ]),
)
