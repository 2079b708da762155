import type { Static, TSchema } from 'typebox'
import Value from 'typebox/value'
import { CliError } from './errors.ts'

type Problem = { keyword: string; message: string; params: Record<string, unknown> }
/** What a schema has found, as people read it. */
function describeProblem({ keyword, message, params }: Problem): string {
  if (keyword === 'additionalProperties')
    return `unknown key ${(params['additionalProperties'] as string[]).join(', ')}`
  return message
}

/**
 * A configuration with its defaults, as its schema has it.
 *
 * @param source what it is called in the error
 * @throws CliError `usage` that names the keys that are wrong
 */
export function toValid<T extends TSchema>(schema: T, given: unknown, source: string): Static<T> {
  const config = Value.Default(schema, given)
  // Not compiled: that takes ten times as long as this, which is done once.
  if (Value.Check(schema, config)) return config
  const lines = Value.Errors(schema, config)
    .filter(e => e.keyword !== 'boolean')
    .slice(0, 5)
    .map(e => `  ${e.instancePath === '' ? '/' : e.instancePath}: ${describeProblem(e)}`)
  throw new CliError('usage', `${source} is not valid:\n${lines.join('\n')}`)
}
