// Values of a configuration against its schema: what is left out, whether it is right, and, where it is not, what is wrong.
import { createRequire } from 'node:module'
import type { Static, TSchema } from 'typebox'

/** The keywords that our schemas use, and the annotations, which check nothing. */
type Keywords = {
  type?: 'array' | 'boolean' | 'integer' | 'number' | 'object' | 'string'
  const?: unknown
  anyOf?: Keywords[]
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  items?: Keywords
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  properties?: Record<string, Keywords>
  patternProperties?: Record<string, Keywords>
  required?: string[]
  additionalProperties?: boolean
  default?: unknown
  description?: string
}
const KNOWN: ReadonlySet<string> = new Set<keyof Keywords>([
  'type',
  'const',
  'anyOf',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'items',
  'minItems',
  'maxItems',
  'uniqueItems',
  'properties',
  'patternProperties',
  'required',
  'additionalProperties',
  'default',
  'description',
])

export type Problem = { keyword: string; message: string; instancePath: string; params: Record<string, unknown> }

/** The value with defaults where something is left out, at every depth; of a union, those of the first that it matches then. Changes `value`. */
export function withDefaults(schema: TSchema, value: unknown): unknown {
  return fill(schema as Keywords, value)
}

function fill(schema: Keywords, given: unknown): unknown {
  const value = given === undefined ? structuredClone(schema.default) : given
  if (schema.anyOf) {
    for (const one of schema.anyOf) {
      const filled = fill(one, structuredClone(value))
      if (matches(one, filled)) return filled
    }
    return value
  }
  if (schema.items && Array.isArray(value)) {
    const { items } = schema
    value.forEach((item, i) => (value[i] = fill(items, item)))
  }
  if (schema.properties && isRecord(value)) {
    for (const [key, property] of Object.entries(schema.properties)) {
      const filled = fill(property, value[key])
      if (filled !== undefined) value[key] = filled
    }
  }
  return value
}

/** Throws Error for a schema with keywords that are not checked here. */
export function isValid<T extends TSchema>(schema: T, value: unknown): value is Static<T> {
  return matches(schema as Keywords, value)
}

function matches(schema: Keywords, value: unknown): boolean {
  const unknown = Object.keys(schema).find(keyword => !KNOWN.has(keyword))
  if (unknown !== undefined) throw new Error(`schema/check.ts does not check "${unknown}"`)
  if (schema.type !== undefined && !isOfType(schema.type, value)) return false
  if ('const' in schema && value !== schema.const) return false
  if (schema.anyOf && !schema.anyOf.some(one => matches(one, value))) return false
  if (typeof value === 'string') return isString(schema, value)
  if (typeof value === 'number') return !(value < (schema.minimum ?? value)) && !(value > (schema.maximum ?? value))
  if (Array.isArray(value)) return isArray(schema, value)
  return !isRecord(value) || isObject(schema, value)
}

function isOfType(type: NonNullable<Keywords['type']>, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isRecord(value)
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'number') return Number.isFinite(value)
  return typeof value === type
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Lengths count code points (JSON Schema Validation 6.3). */
const isString = ({ pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Keywords, value: string) =>
  (minLength === 0 || Array.from(value).length >= minLength) &&
  (value.length <= maxLength || Array.from(value).length <= maxLength) &&
  (pattern === undefined || new RegExp(pattern, 'u').test(value))

function isArray(schema: Keywords, value: unknown[]): boolean {
  const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY, uniqueItems = false } = schema
  if (value.length < minItems || value.length > maxItems) return false
  if (items && !value.every(item => matches(items, item))) return false
  return !uniqueItems || new Set(value.map(item => JSON.stringify(item))).size === value.length
}

function isObject(schema: Keywords, value: Record<string, unknown>): boolean {
  const { properties = {}, patternProperties = {}, required = [], additionalProperties = true } = schema
  if (required.some(key => !(key in value))) return false
  const patterns = Object.entries(patternProperties).map(([source, of]) => ({ is: new RegExp(source, 'u'), of }))
  return Object.entries(value).every(([key, member]) => {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    const named = patterns.filter(({ is }) => is.test(key))
    if (!property && named.length === 0) return additionalProperties
    return (
      (!property || isLeftOut(schema, key, member) || matches(property, member)) &&
      named.every(({ of }) => matches(of, member))
    )
  })
}

/** A member that need not be there, and is undefined. */
const isLeftOut = ({ required = [] }: Keywords, key: string, member: unknown): boolean =>
  member === undefined && !required.includes(key)

/** What TypeBox says is wrong with a value that is not valid: it is loaded for that, and only then. */
export function problemsOf(schema: TSchema, value: unknown): Problem[] {
  const { Errors } = createRequire(import.meta.url)('typebox/value') as typeof import('typebox/value')
  return Errors(schema, value).filter(({ keyword }) => keyword !== 'boolean') as Problem[]
}
