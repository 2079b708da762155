/** Checks of values that hold others: lists (section 2.12), dictionaries (2.3), and content that the table does not know. */
import { isDictionaryKey, isLanguageTag } from './names.ts'
import { type Check, isObject, show } from './walk.ts'

export function listCheck(item: Check): Check {
  return (value, walk) => {
    if (!Array.isArray(value)) return walk.report('kind', '2.12', `expected a list, got ${show(value)}`)
    if (value.length === 0) return walk.report('empty_list', '2.12', 'an empty list: leave the property out')
    if (walk.tooDeep()) return
    for (let at = 0; at < value.length && !walk.full; at++) {
      walk.enter(at)
      item(value[at], walk)
      walk.leave()
    }
  }
}

export function dictionaryCheck(keys: 'language' | undefined, values: Check): Check {
  return (value, walk) => {
    if (!isObject(value)) return walk.report('kind', '2.3', `expected a dictionary, got ${show(value)}`)
    if (walk.tooDeep()) return
    let empty = true
    for (const key in value) {
      if (walk.full) return
      empty = false
      walk.enter(key)
      if (keys === 'language') {
        if (!isLanguageTag(key)) walk.report('language', '7.1.1', `the key ${show(key)} is no language code (RFC 5646)`)
      } else if (!isDictionaryKey(key)) {
        walk.report('dictionary_key', '2.3', `the key ${show(key)} is not 1 to 250 of A-Z, a-z, 0-9, - and _`)
      }
      values(value[key], walk)
      walk.leave()
    }
    if (empty) walk.report('empty_dictionary', '2.3', 'an empty dictionary: leave the property out')
  }
}

/** Any STIX value inside a dictionary: no null, no empty list or dictionary, keys as in section 2.3. */
export const dictionaryValue: Check = (value, walk) => {
  if (Array.isArray(value)) anyList(value, walk)
  else if (isObject(value)) anyDictionary(value, walk)
  else if (value === null || value === undefined) walk.report('kind', '2.3', 'null is no STIX value')
}
const anyList = listCheck(dictionaryValue)
const anyDictionary = dictionaryCheck(undefined, dictionaryValue)

/** Content that the table does not know: walked for its depth, and for what no STIX value may be. */
export const customValue: Check = (value, walk) => {
  if (Array.isArray(value)) {
    if (value.length === 0) walk.report('custom_value', '2.12', 'an empty list: leave the property out')
    if (walk.tooDeep()) return
    for (let at = 0; at < value.length && !walk.full; at++) {
      const item: unknown = value[at]
      if (typeof item === 'string' || typeof item === 'number') continue
      walk.enter(at)
      customValue(item, walk)
      walk.leave()
    }
  } else if (isObject(value)) {
    if (walk.tooDeep()) return
    let empty = true
    for (const key in value) {
      if (walk.full) return
      empty = false
      walk.enter(key)
      customValue(value[key], walk)
      walk.leave()
    }
    if (empty) walk.report('custom_value', '2.3', 'an empty dictionary: leave the property out')
  } else if (value === null || value === undefined) {
    walk.report('custom_value', '2', 'null is no STIX value: leave the property out')
  }
}
