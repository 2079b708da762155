/** Rules of single object types that look at the whole object and that the table cannot say. */
import { identifierType } from './identifier.ts'
import { propertyNameMessage } from './compile.ts'
import { markingDefinitionCheck } from './marking-content.ts'
import { isPropertyName } from './names.ts'
import { checkPattern } from './pattern/check.ts'
import { PatternError, positionAt } from './pattern/error.ts'
import { parsePattern } from './pattern/parse.ts'
import { objectTypes } from './table.ts'
import { checkTranslations } from './translation.ts'
import { isObject, type Json, show, type Walk } from './walk.ts'

/** The version of the pattern language that section 9 is about; an indicator without a version means it (4.7.1). */
const PATTERN_VERSION = '2.1'

/** Parse `pattern` if it is a STIX pattern, and hold it against section 9. */
function checkIndicator(object: Json, walk: Walk): void {
  const { pattern, pattern_version: version } = object
  if (object.pattern_type !== 'stix' || typeof pattern !== 'string') return
  if (version !== undefined && version !== PATTERN_VERSION) return
  walk.enter('pattern')
  try {
    const { expression, spellings } = parsePattern(pattern)
    let position = positionAt(pattern, 0)
    const report = (rule: Parameters<Walk['report']>[0], section: string, at: number, message: string): void => {
      if (!walk.hasRoom(rule)) return
      // Findings come in the order of the text, but for the spellings, which begin again.
      position = positionAt(pattern, at, at < position.offset ? undefined : position)
      walk.report(rule, section, `line ${position.line}, column ${position.column}: ${message}`, position)
    }
    checkPattern(expression, { tells: rule => walk.tells(rule), report })
    if (walk.tells('pattern_spelling'))
      for (const { at, message } of spellings) report('pattern_spelling', '9', at, message)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    walk.report('pattern', error.section, error.message, error.position)
  }
  walk.leave()
}

/** "The object_refs MUST contain at least one SCO reference" (section 4.14.1); a type that we do not know may be one. */
function checkObservedData(object: Json, walk: Walk): void {
  const refs = object.object_refs
  if (!Array.isArray(refs) || refs.length === 0) return
  for (const ref of refs) {
    const type = typeof ref === 'string' ? identifierType(ref) : undefined
    // What is no identifier was told where it stands.
    if (type === undefined) return
    const known = objectTypes.get(type)
    if (known === undefined || known.class === 'sco') return
  }
  walk.reportAt('object_refs', 'observed_data', '4.14.1', 'none of the objects is a cyber-observable')
}

/** The translations mirror the properties of an object: their keys are names of properties (section 7.1.1). */
function checkLanguageContent(object: Json, walk: Walk): void {
  if (!isObject(object.contents)) return
  walk.enter('contents')
  for (const language in object.contents) {
    const translation = object.contents[language]
    if (!isObject(translation)) continue
    walk.enter(language)
    for (const name in translation) {
      if (walk.full) break
      if (!isPropertyName(name)) walk.reportAt(name, 'property_name', '7.1.1', propertyNameMessage(name))
    }
    walk.leave()
  }
  walk.leave()
  if (isObject(walk.bounds.target)) checkTranslations(object, walk.bounds.target, walk)
}

const HIVES: ReadonlyMap<string, string> = new Map([
  ['HKLM', 'HKEY_LOCAL_MACHINE'],
  ['HKCU', 'HKEY_CURRENT_USER'],
  ['HKCR', 'HKEY_CLASSES_ROOT'],
  ['HKU', 'HKEY_USERS'],
  ['HKCC', 'HKEY_CURRENT_CONFIG'],
])

/** "The hive portion of the key MUST be fully expanded and not truncated" (section 6.17.1). */
function checkRegistryKey(object: Json, walk: Walk): void {
  if (typeof object.key !== 'string') return
  const end = object.key.indexOf('\\')
  const hive = (end < 0 ? object.key : object.key.slice(0, end)).slice(0, 5).toUpperCase()
  const full = HIVES.get(hive)
  if (full === undefined || (end < 0 ? object.key.length : end) !== hive.length) return
  walk.reportAt('key', 'registry_hive', '6.17.1', `write ${full} in place of ${show(object.key.slice(0, hive.length))}`)
}

/** "This property MUST only be used when extension_types includes toplevel-property-extension" (section 7.3.1). */
function checkExtensionDefinition(object: Json, walk: Walk): void {
  const types = object.extension_types
  if (object.extension_properties === undefined || !Array.isArray(types)) return
  if (types.includes('toplevel-property-extension')) return
  const message = 'only with toplevel-property-extension among extension_types'
  walk.reportAt('extension_properties', 'extension_properties', '7.3.1', message)
}

/** By object type. */
export const objectRules: Readonly<Record<string, (object: Json, walk: Walk) => void>> = {
  indicator: checkIndicator,
  'observed-data': checkObservedData,
  'language-content': checkLanguageContent,
  'marking-definition': markingDefinitionCheck,
  'windows-registry-key': checkRegistryKey,
  'extension-definition': checkExtensionDefinition,
}
