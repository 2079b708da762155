/** Translations beside what they translate (section 7.1.1). */
import { isObject, type Json, show, type Walk } from './walk.ts'

/** Hold `contents` of a language-content against the object that it names, if `target` is that object in that version. */
export function checkTranslations(object: Json, target: Json, walk: Walk): void {
  if (!isObject(object.contents) || target.id !== object.object_ref) return
  if (object.object_modified !== undefined && object.object_modified !== target.modified) return
  walk.enter('contents')
  for (const language in object.contents) {
    const translation = object.contents[language]
    if (!isObject(translation)) continue
    walk.enter(language)
    mirror(translation, target, walk)
    walk.leave()
  }
  walk.leave()
}

/** Strings are translated by strings, lists by lists of the same length, objects by objects; what the target has not is ignored. */
function mirror(translation: unknown, original: unknown, walk: Walk): void {
  if (walk.full || walk.tooDeep()) return
  const report = (expected: string) =>
    walk.report(
      'translation',
      '7.1.1',
      `expected ${expected}, as in the object that it translates, got ${show(translation)}`,
    )
  if (typeof original === 'string') {
    if (typeof translation !== 'string') report('a string')
  } else if (Array.isArray(original)) {
    if (!Array.isArray(translation) || translation.length !== original.length)
      return report(`a list of ${original.length}`)
    for (let at = 0; at < original.length; at++) {
      walk.enter(at)
      mirror(translation[at], original[at], walk)
      walk.leave()
    }
  } else if (isObject(original)) {
    if (!isObject(translation)) return report('an object')
    for (const name in translation) {
      if (!Object.hasOwn(original, name)) continue
      walk.enter(name)
      mirror(translation[name], original[name], walk)
      walk.leave()
    }
  }
}
