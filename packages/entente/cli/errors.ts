/** How the command ends (docs/operating.md): 0 yes, 1 no, 2 usage, 3 could not reach, 4 evidence failed. */
export const EXIT = { yes: 0, no: 1, usage: 2, unreachable: 3, evidence: 4 } as const
export type CliErrorCode = Exclude<keyof typeof EXIT, 'yes'>

/** Ends the command with a message and the exit code of `code`. */
export class CliError extends Error {
  override name = 'CliError'
  readonly code: CliErrorCode
  /** For --json, beside the message. */
  readonly details: Record<string, unknown>
  constructor(code: CliErrorCode, message: string, options: ErrorOptions & { details?: Record<string, unknown> } = {}) {
    super(message, options)
    this.code = code
    this.details = options.details ?? {}
  }
}

const UNREACHABLE = new Set(['unreachable', 'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EAI_AGAIN'])
/** Of the client: a server that is away for now, or whose answer was too slow. */
const AWAY = new Set(['timeout', 'rate-limited', 'unavailable'])
const EVIDENCE = new Set(['integrity', 'rolled-back', 'forked', 'disagreement', 'evidence', 'commitment'])

/** Which exit code an error of any room stands for. */
export function exitName(error: unknown): keyof typeof EXIT {
  const { code, name } = error as { code?: string; name?: string }
  if (error instanceof CliError) return error.code
  if (name === 'ProofError' && code === 'trust') return 'usage'
  if (name === 'ChannelError' && code === 'invalid') return 'usage'
  if (code !== undefined && (UNREACHABLE.has(code) || (name === 'ClientError' && AWAY.has(code)))) return 'unreachable'
  if ((code !== undefined && EVIDENCE.has(code)) || name === 'ProofError' || name === 'TlogError') return 'evidence'
  return 'no'
}
