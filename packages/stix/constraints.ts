/** Checks of what the table says about several properties of one object. */
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
