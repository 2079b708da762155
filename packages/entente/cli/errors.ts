/** How the command ends (docs/operating.md): 0 yes, 1 no, 2 usage, 3 could not reach, 4 evidence failed. */
export const EXIT = { yes: 0, no: 1, usage: 2, unreachable: 3, evidence: 4 } as const
export type CliErrorCode = Exclude<keyof typeof EXIT, 'yes'>

/** Ends the command with a message and the exit code of `code`. */
export class CliError extends Error {
  override name = 'CliError'
  readonly code: CliErrorCode
  constructor(code: CliErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
