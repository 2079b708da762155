/** Checks of what the table says about several properties of one object. */
import { isCapec, isCve } from './registries.ts'
import { compareTimestamps, scanTimestamp } from './timestamp.ts'
import type { Constraint } from './types/kinds.ts'
import { type Json, show, type Walk } from './walk.ts'

const has = (object: Json, name: string): boolean => object[name] !== undefined

/** From a constraint of the table to its check. */
export function compileConstraint(constraint: Constraint): (object: Json, walk: Walk) => void {
  const { section } = constraint
  switch (constraint.rule) {
    case 'at_least_one': {
      const { of } = constraint
      return (object, walk) => {
        for (const name of of) if (has(object, name)) return
        walk.report('at_least_one', section, `at least one of these must be there: ${of.join(', ')}`)
      }
    }
    case 'exactly_one': {
      const { of } = constraint
      return (object, walk) => {
        let found = 0
        for (const name of of) if (has(object, name)) found++
        if (found !== 1)
          walk.report('exactly_one', section, `one of these must be there, ${found} are: ${of.join(', ')}`)
      }
    }
    case 'needs':
    case 'needs_without': {
      const { name, other } = constraint
      const present = constraint.rule === 'needs'
      return (object, walk) => {
        if (has(object, name) !== present || has(object, other)) return
        walk.reportAt(other, 'needs', section, `must be there ${present ? 'with' : 'without'} ${name}`)
      }
    }
    case 'required_when':
    case 'forbidden_when': {
      const { flag, value, name } = constraint
      const wanted = constraint.rule === 'required_when'
      return (object, walk) => {
        if (object[flag] !== value || has(object, name) === wanted) return
        walk.reportAt(
          name,
          wanted ? 'needs' : 'forbidden',
          section,
          `must ${wanted ? '' : 'not '}be there: ${flag} is ${value}`,
        )
      }
    }
    case 'external_id':
      return checkExternalId
    case 'timestamp_order': {
      const { first, second, strict } = constraint
      return (object, walk) => {
        const early = object[first]
        const late = object[second]
        if (typeof early !== 'string' || typeof late !== 'string') return
        if (early === late ? !strict : scanTimestamp(early) < 0 || scanTimestamp(late) < 0) return
        const order = compareTimestamps(early, late)
        if (order < 0 || (order === 0 && !strict)) return
        const message = `${show(late)} must be ${strict ? 'later than' : 'no earlier than'} ${first} ${show(early)}`
        walk.reportAt(second, 'timestamp_order', section, message)
      }
    }
  }
}

/** `cve` and `capec` name the source of their identifiers, and these stand under no other (sections 4.1.1, 4.19.1). */
function checkExternalId(reference: Json, walk: Walk): void {
  const { source_name: source, external_id: id } = reference
  if (typeof id !== 'string') return
  if (source === 'cve' ? isCve(id) : source === 'capec' ? isCapec(id) : true) {
    if (source === 'cve' || source === 'capec') return
    // Where the specification says so: of the vulnerability and the attack pattern that are described.
    const expected =
      walk.type === 'vulnerability' && isCve(id)
        ? 'cve'
        : walk.type === 'attack-pattern' && isCapec(id)
          ? 'capec'
          : undefined
    if (expected === undefined) return
    const section = expected === 'cve' ? '4.19.1' : '4.1.1'
    walk.reportAt(
      'source_name',
      'external_id',
      section,
      `${show(id)} has the source ${show(expected)}, not ${show(source)}`,
    )
    return
  }
  const form = source === 'cve' ? 'CVE-YYYY-NNNN' : 'CAPEC-N'
  walk.reportAt('external_id', 'external_id', source === 'cve' ? '4.19.1' : '4.1.1', `${show(id)} is not ${form}`)
}
