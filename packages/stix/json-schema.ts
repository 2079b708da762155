/** The table's structures as JSON Schema 2020-12, for programs that have not this walker. */
import type { Kind, Structure } from './types/kinds.ts'

type Schema = Record<string, unknown>

const TIMESTAMP = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?Z$'
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

/**
 * What a schema can say of a structure: members, required ones, kinds, ranges, closed lists. Rules between members and the form of texts are the
 * walker's. Members that are not named are let through, as STIX does.
 *
 * @throws TypeError for a kind that our own extensions do not use
 */
export function toJsonSchema(structure: Structure, title: string, description: string): Schema {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title, description, ...members(structure) }
}

function members({ properties }: Structure): Schema {
  const names = Object.keys(properties)
  return {
    type: 'object',
    properties: Object.fromEntries(names.map(name => [name, kindSchema(properties[name]?.kind as Kind)])),
    required: names.filter(name => properties[name]?.required),
  }
}

function kindSchema(kind: Kind): Schema {
  switch (kind.kind) {
    case 'string':
      return { type: 'string', ...(kind.format === 'url' ? { format: 'uri' } : {}) }
    case 'boolean':
      return { type: 'boolean' }
    case 'integer':
      return {
        type: 'integer',
        ...(kind.min === undefined ? {} : { minimum: kind.min }),
        ...(kind.max === undefined ? {} : { maximum: kind.max }),
      }
    case 'timestamp':
      return { type: 'string', pattern: TIMESTAMP }
    case 'enum':
      return { type: 'string', enum: [...kind.vocabulary.terms] }
    case 'open-vocab':
      return { type: 'string', examples: [...kind.vocabulary.terms] }
    case 'identifier':
      return { type: 'string', pattern: `^(${kind.targets.join('|')})--${UUID}$` }
    case 'list':
      return { type: 'array', minItems: 1, items: kindSchema(kind.of) }
    case 'dictionary':
      return {
        type: 'object',
        minProperties: 1,
        ...(kind.values === undefined ? {} : { additionalProperties: kindSchema(kind.values) }),
      }
    case 'hashes':
      return { type: 'object', minProperties: 1, additionalProperties: { type: 'string' } }
    case 'structure':
      return members(kind.structure)
    default:
      throw new TypeError(`no JSON Schema for a value of kind ${kind.kind}`)
  }
}
