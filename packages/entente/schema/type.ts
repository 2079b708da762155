// JSON Schemas in TypeBox's words and with its types, for what every command and every server loads: TypeBox itself is 680 modules, half of what there was
// to load, for a configuration that is read once. TypeBox is what these are held against (schema.test.ts), and says what is wrong with a value (check.ts).
import type TypeBox from 'typebox'
import type { TSchema } from 'typebox'

type Options = Record<string, unknown>
type Builder = Pick<
  typeof TypeBox,
  | 'Array'
  | 'Boolean'
  | 'Integer'
  | 'Literal'
  | 'Number'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'String'
  | 'Union'
  | 'Unknown'
  | 'Unsafe'
>

/** A schema with the name of its kind, hidden as TypeBox does it: so either takes what the other has made. */
const create = (kind: string, keywords: Options, options: Options = {}) =>
  hide({ ...keywords, ...options }, '~kind', kind)
const hide = (schema: Options, name: string, value: unknown) => Object.defineProperty(schema, name, { value })
const simple = (kind: string, keywords: Options) => (options?: Options) => create(kind, keywords, options)
const isOptional = (schema: TSchema) => '~optional' in schema

const builder = {
  Array: (items: TSchema, options?: Options) => create('Array', { type: 'array', items }, options),
  Boolean: simple('Boolean', { type: 'boolean' }),
  Integer: simple('Integer', { type: 'integer' }),
  Literal: (value: string | number | boolean, options?: Options) =>
    create('Literal', { type: typeof value, const: value }, options),
  Number: simple('Number', { type: 'number' }),
  Object: (properties: Record<string, TSchema>, options?: Options) => {
    const required = Object.keys(properties).filter(key => !isOptional(properties[key] as TSchema))
    return create('Object', { type: 'object', ...(required.length > 0 ? { required } : {}), properties }, options)
  },
  Optional: (schema: TSchema) =>
    Object.defineProperties({}, { ...Object.getOwnPropertyDescriptors(schema), '~optional': { value: true } }),
  Record: (key: { pattern?: string }, value: TSchema, options?: Options) =>
    create('Record', { type: 'object', patternProperties: { [key.pattern ?? '^.*$']: value } }, options),
  String: simple('String', { type: 'string' }),
  Union: (anyOf: TSchema[], options?: Options) => create('Union', { anyOf }, options),
  Unknown: simple('Unknown', {}),
  Unsafe: (schema: Options) => hide({ ...schema }, '~unsafe', null),
}

const Type = builder as unknown as Builder
export default Type
export type { Static, TSchema } from 'typebox'
