/** What a marking definition holds (sections 7.2.1.3 and 7.2.1.4), and the TLP markings that exist. */
import { customValue } from './containers.ts'
import { type Check, isObject, type Json, show, type Walk } from './walk.ts'

/** Levels of TLP 1.0 and the ids of their only marking definitions (section 7.2.1.4). */
export const tlp1Markings: ReadonlyMap<string, string> = new Map([
  ['white', 'marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9'],
  ['green', 'marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da'],
  ['amber', 'marking-definition--f88d31f6-486f-44da-b317-01333bde0b82'],
  ['red', 'marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed'],
])

/** The `definition` property; what it must hold depends on `definition_type`. */
export const markingCheck: Check = (value, walk) => {
  if (!isObject(value)) return walk.report('marking', '7.2.1', `expected a marking object, got ${show(value)}`)
  const type = walk.object.definition_type
  if (type === 'statement' && typeof value.statement !== 'string') {
    walk.report('marking', '7.2.1.3', `a statement marking holds a string statement, got ${show(value.statement)}`)
  } else if (type === 'tlp' && typeof value.tlp !== 'string') {
    walk.report('marking', '7.2.1.4', `a TLP marking holds a string tlp, got ${show(value.tlp)}`)
  }
  customValue(value, walk)
}

/** The rules of a whole marking definition: TLP only as published, and no marking of itself. */
export function markingDefinitionCheck(object: Json, walk: Walk): void {
  if (object.definition_type === 'tlp' && isObject(object.definition) && typeof object.definition.tlp === 'string') {
    const level = object.definition.tlp
    const id = tlp1Markings.get(level)
    if (id === undefined || object.id !== id) {
      walk.reportAt(
        'id',
        'tlp',
        '7.2.1.4',
        `${show(level)}: only the published TLP markings may be used: ${id ?? [...tlp1Markings.keys()].join(', ')}`,
      )
    }
  }
  const { id } = object
  if (typeof id !== 'string') return
  const marks = Array.isArray(object.object_marking_refs) && object.object_marking_refs.includes(id)
  const granular =
    Array.isArray(object.granular_markings) &&
    object.granular_markings.some(marking => isObject(marking) && marking.marking_ref === id)
  if (marks)
    walk.reportAt('object_marking_refs', 'circular_marking', '3.2', 'a marking definition must not mark itself')
  if (granular)
    walk.reportAt('granular_markings', 'circular_marking', '3.2', 'a marking definition must not mark itself')
}
