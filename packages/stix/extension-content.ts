/** The `extensions` of an object: what they say about it, and what they hold. */
import { customValue } from './containers.ts'
import { isIdentifierOf, NOT_AN_IDENTIFIER, scanIdentifier } from './identifier.ts'
import { isCustomExtensionName, isDictionaryKey } from './names.ts'
import { extensions as knownExtensions } from './table.ts'
import { extensionType } from './types/vocabularies.ts'
import { type Check, isObject, type Json, show, type Walk } from './walk.ts'

/** The `new-…` extension type that an object declares, if any. */
export function declaredType(object: Json): string | undefined {
  if (!isObject(object.extensions)) return undefined
  for (const key in object.extensions) {
    const extension = object.extensions[key]
    if (!isObject(extension)) continue
    const type = extension.extension_type
    if (type === 'new-sdo' || type === 'new-sro' || type === 'new-sco') return type
  }
  return undefined
}

/** Whether an extension of the object accounts for top-level properties that the table does not know (section 7.3). */
export function extendsTopLevel(object: Json): boolean {
  if (!isObject(object.extensions)) return false
  for (const key in object.extensions) {
    const extension = object.extensions[key]
    if (isObject(extension) && extension.extension_type === 'toplevel-property-extension') return true
  }
  return declaredType(object) !== undefined
}

const extensionTypes: ReadonlySet<unknown> = new Set(extensionType.terms)

/** Check the `extensions` property (sections 3.2, 3.10, 7.3, 11.3); `contents` checks what each known extension holds. */
export const extensionsCheck =
  (contents: ReadonlyMap<string, Check>): Check =>
  (value, walk) => {
    if (!isObject(value)) return walk.report('kind', '3.2', `expected a dictionary, got ${show(value)}`)
    if (walk.tooDeep()) return
    let empty = true
    for (const key in value) {
      if (walk.full) return
      empty = false
      walk.enter(key)
      const known = knownExtensions.get(key)
      if (known === undefined) unknownExtension(key, value[key], walk)
      else if (known.on !== undefined && !known.on.includes(walk.type)) {
        walk.report('extension_target', known.section, `${key} is for ${known.on.join(', ')}, this is a ${walk.type}`)
      } else contents.get(key)?.(value[key], walk)
      walk.leave()
    }
    if (empty) walk.report('empty_dictionary', '2.3', 'an empty dictionary: leave the property out')
  }

function unknownExtension(key: string, value: unknown, walk: Walk): void {
  if (!isObject(value)) return walk.report('kind', '3.2', `expected the content of the extension, got ${show(value)}`)
  if (scanIdentifier(key) !== NOT_AN_IDENTIFIER && isIdentifierOf(key, 'extension-definition')) {
    if (!extensionTypes.has(value.extension_type)) {
      const message = `expected one of ${extensionType.terms.join(', ')}, got ${show(value.extension_type)}`
      walk.reportAt('extension_type', 'extension_type', '7.3', message)
    }
    if (walk.tells('unknown_extension'))
      walk.report('unknown_extension', '7.3', 'an extension that we do not know: not checked')
  } else if (value.extension_type !== undefined) {
    walk.report('extension_type', '7.3', `the key must be the id of an extension-definition, got ${show(key)}`)
  } else if (!isDictionaryKey(key, 3) || key !== key.toLowerCase() || key.includes('_')) {
    walk.report('extension_name', '11.3.1', `the name ${show(key)} is not 3 to 250 of a-z, 0-9 and -`)
  } else if (walk.tells('custom_extension')) {
    // A MUST of 11.3.1 that its own example breaks.
    const name = isCustomExtensionName(key) ? '' : '; its name should end in -ext'
    walk.report('custom_extension', '11.3', `a custom extension: not checked${name}`)
  }
  customValue(value, walk)
}
