/** The parts of a STIX pattern (section 9.1). Every part has `at`, the offset where it begins in the text. */

/** A constant (section 9.2). */
export type Constant =
  | { readonly type: 'boolean'; readonly value: boolean; readonly at: number }
  | { readonly type: 'integer' | 'float'; readonly value: number; readonly at: number }
  /** `string`: without its escapes. `hex`, `binary`: as written, line feeds of base64 left out. */
  | { readonly type: 'string' | 'hex' | 'binary' | 'timestamp'; readonly value: string; readonly at: number }

/** A step of an object path (section 9.7): a property or dictionary key, or an item of a list; `*` is any item. */
export type PathStep =
  | { readonly name: string; readonly at: number }
  | { readonly index: number | '*'; readonly at: number }

/** `object-type:property.property[index]…` (section 9.7); the first step is a name. */
export interface ObjectPath {
  readonly objectType: string
  readonly steps: readonly PathStep[]
  readonly at: number
}

export type EqualityOperator = '=' | '!='
export type OrderOperator = '>' | '<' | '<=' | '>='
export type TextOperator = 'LIKE' | 'MATCHES' | 'ISSUBSET' | 'ISSUPERSET'
export type ComparisonOperator = EqualityOperator | OrderOperator | TextOperator | 'IN'

/** What stands between square brackets (section 9.6). */
export type ComparisonExpression =
  /** `values` has one constant, the set of an `IN` one or more. */
  | {
      readonly kind: 'comparison'
      readonly path: ObjectPath
      readonly negated: boolean
      readonly operator: ComparisonOperator
      readonly values: readonly Constant[]
      readonly at: number
    }
  | { readonly kind: 'exists'; readonly path: ObjectPath; readonly negated: boolean; readonly at: number }
  /** Two operands or more, applied from left to right; one of the same operator stood in parentheses. */
  | {
      readonly kind: 'boolean'
      readonly operator: 'AND' | 'OR'
      readonly operands: readonly ComparisonExpression[]
      readonly at: number
    }

/** A restriction in time or number (section 9.5.1). */
export type Qualifier =
  | { readonly kind: 'repeats'; readonly times: number; readonly at: number }
  | { readonly kind: 'within'; readonly seconds: number; readonly at: number }
  | { readonly kind: 'start-stop'; readonly start: string; readonly stop: string; readonly at: number }

/** A pattern is one of these (section 9.5). */
export type ObservationExpression =
  | { readonly kind: 'observation'; readonly comparison: ComparisonExpression; readonly at: number }
  | {
      readonly kind: 'qualified'
      readonly expression: ObservationExpression
      readonly qualifiers: readonly Qualifier[]
      readonly at: number
    }
  /** Two operands or more, applied from left to right; one of the same operator stood in parentheses. */
  | {
      readonly kind: 'combined'
      readonly operator: 'AND' | 'OR' | 'FOLLOWEDBY'
      readonly operands: readonly ObservationExpression[]
      readonly at: number
    }

/** A spelling that the specification does not have and the grammar of the OASIS pattern validator accepts. */
export interface Spelling {
  readonly at: number
  readonly message: string
}

/** A pattern that was read. */
export interface Pattern {
  readonly expression: ObservationExpression
  readonly spellings: readonly Spelling[]
}
