type Problem = { keyword: string; message: string; params: Record<string, unknown> }
/** What a schema has found, as people read it. */
export function describeProblem({ keyword, message, params }: Problem): string {
  if (keyword === 'additionalProperties')
    return `unknown key ${(params['additionalProperties'] as string[]).join(', ')}`
  return message
}
