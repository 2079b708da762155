/** Selectors of granular markings (section 7.2.3.1). */
import { isDictionaryKey } from './names.ts'
import { isObject, type Json } from './walk.ts'

/** A selector longer than this is refused. */
export const MAX_SELECTOR = 2_000

/**
 * What is wrong with a selector on this object, in words; `undefined` if it selects something. Components are separated
 * by `.`: names or keys, and `[n]` for the n-th item of a list, from 0.
 */
export function selectorFault(selector: string, object: Json): string | undefined {
  if (selector.length === 0 || selector.length > MAX_SELECTOR) return `it must have 1 to ${MAX_SELECTOR} characters`
  let value: unknown = object
  // Not `split`: the first component that leads nowhere ends it, and the object's depth bounds how many there are.
  for (let start = 0, end = 0; end < selector.length; start = end + 1) {
    end = selector.indexOf('.', start)
    if (end < 0) end = selector.length
    const component = selector.slice(start, end)
    if (component.startsWith('[') && component.endsWith(']')) {
      const index = listIndex(component)
      if (index < 0) return `${component} is no index in square brackets`
      if (!Array.isArray(value) || index >= value.length) return `there is no item ${component} in it`
      value = value[index]
    } else {
      if (!isDictionaryKey(component)) return `${JSON.stringify(component.slice(0, 60))} is no name, key or [index]`
      if (!isObject(value) || !Object.hasOwn(value, component)) return `there is no ${component.slice(0, 60)} on it`
      value = value[component]
    }
  }
  return undefined
}

/** The number in `[n]` without leading zeros, or -1. */
function listIndex(component: string): number {
  if (component.length < 3 || component.length > 12) return -1
  if (component.charCodeAt(1) === 48 && component.length > 3) return -1
  let index = 0
  for (let at = 1; at < component.length - 1; at++) {
    const digit = component.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) return -1
    index = index * 10 + digit
  }
  return index
}
