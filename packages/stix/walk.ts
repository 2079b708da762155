/** The state of one walk over one object: where we are, what we found, and the bounds. */
import type { Position } from './pattern/error.ts'
import { isIndispensableAt, isPlaced, type Severities, severities } from './policy.ts'
import type { Rule, Severity } from './rules.ts'

export type Json = Readonly<Record<string, unknown>>

/** One thing that is wrong, or odd, about an object. */
export interface Finding {
  readonly severity: Severity
  /** The object's `id`; the empty string where it has none. Cut to 300 characters. */
  readonly object: string
  /** Where, from the object down: `$.external_references[2].url`. */
  readonly path: string
  readonly rule: Rule
  /** The section of STIX 2.1 that says so. */
  readonly section: string
  readonly message: string
  /** Where in the pattern, for findings about one. */
  readonly position?: Position
}

/** Look at a value where the walk stands, and report what is wrong. */
export type Check = (value: unknown, walk: Walk) => void

export interface Bounds {
  readonly maxDepth: number
  readonly maxFindings: number
  readonly warnings: boolean
  readonly untold: ReadonlySet<Rule> | undefined
  /** Of the policy. */
  readonly severities: Severities
  /** Whether an id that an object refers to is known. */
  readonly isKnown: ((id: string) => boolean) | undefined
  /** What a language-content translates. */
  readonly target: unknown
}

/** Whether a JSON value is an object (not null, not a list). */
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const plainKey = /^[A-Za-z_][A-Za-z0-9_]{0,249}$/

/** A value for a message: JSON, cut short. Never walks into a value. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 60 ? `${JSON.stringify(value.slice(0, 60))}…` : JSON.stringify(value)
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (value === undefined) return 'nothing'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

/** One finding costs an array and an object; an object without findings costs this one and its path. */
export class Walk {
  readonly bounds: Bounds
  /** Created with the first finding. */
  findings: Finding[] | undefined = undefined
  errors = 0
  #warnings = 0
  /** `maxFindings` errors were found: every loop stops. Warnings never stop it, or they could hide an error. */
  full = false
  /** Something was found and left out. */
  truncated = false
  /** The object with an `id` that findings are about: the whole input, or a member of the bundle. */
  owner: Json
  /** The object we are in (inside a container: the innermost), and its `type`. */
  object: Json
  type = ''
  /** The observable container we are in (section 2.13): references are its keys. */
  container: Json | undefined = undefined
  /** Whether an extension of `object` accounts for unknown properties of it; `undefined` until somebody asks. */
  extendsTopLevel: boolean | undefined = undefined
  readonly #path: (string | number)[] = []
  #depth = 0

  constructor(object: Json, bounds: Bounds) {
    this.object = object
    this.owner = object
    this.bounds = bounds
  }

  enter(key: string | number): void {
    this.#path[this.#depth++] = key
  }

  leave(): void {
    this.#depth--
  }

  /** Report once, and say yes, if the walk is too deep to go on. */
  tooDeep(): boolean {
    if (this.#depth <= this.bounds.maxDepth) return false
    this.report('depth', '2', `nested deeper than ${this.bounds.maxDepth} levels: flatten it or raise maxDepth`)
    return true
  }

  /** Whether a finding of this rule would be told: what costs time to find is not looked for otherwise. */
  tells(rule: Rule): boolean {
    const severity = this.bounds.severities[rule]
    return severity === 'error' || (severity === 'warning' && this.#warns(rule))
  }

  #warns(rule: Rule): boolean {
    return this.bounds.warnings && this.bounds.untold?.has(rule) !== true
  }

  /** Whether a finding of this rule would still be kept; if not, the result says that it is truncated. */
  hasRoom(rule: Rule): boolean {
    if (!this.tells(rule)) return false
    const count = this.bounds.severities[rule] === 'error' ? this.errors : this.#warnings
    if (count >= this.bounds.maxFindings) this.truncated = true
    return count < this.bounds.maxFindings
  }

  report(rule: Rule, section: string, message: string, position?: Position): void {
    let severity = this.bounds.severities[rule]
    let path: string | undefined
    if (severity !== 'error') {
      if (this.bounds.severities === severities.permissive && isPlaced(rule)) {
        path = this.#where()
        if (isIndispensableAt(rule, path)) severity = 'error'
      }
      if (severity === undefined || (severity === 'warning' && !this.#warns(rule))) return
    }
    if ((severity === 'error' ? this.errors : this.#warnings) >= this.bounds.maxFindings) {
      this.truncated = true
      return
    }
    if (severity === 'warning') this.#warnings++
    else if (++this.errors >= this.bounds.maxFindings) {
      this.full = true
      this.truncated = true
    }
    const { id } = this.owner
    this.findings ??= []
    this.findings.push({
      severity,
      object: typeof id === 'string' ? id.slice(0, 300) : '',
      path: path ?? this.#where(),
      rule,
      section,
      message,
      ...(position === undefined ? undefined : { position }),
    })
  }

  /** Report about a property of the current object that is absent or whose value is not at fault alone. */
  reportAt(name: string, rule: Rule, section: string, message: string): void {
    this.enter(name)
    this.report(rule, section, message)
    this.leave()
  }

  #where(): string {
    let where = '$'
    for (let at = 0; at < this.#depth; at++) {
      const key = this.#path[at] as string | number
      if (typeof key === 'number') where += `[${key}]`
      else where += plainKey.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 80))}]`
    }
    return where
  }
}
