/** `state`: what the witness has cosigned is missing or can't be read. `log`: no log that can be witnessed. */
export type WitnessErrorCode = 'state' | 'log'

/** Why a witness can't begin. What it answers to requests is no error. */
export class WitnessError extends Error {
  override name = 'WitnessError'
  readonly code: WitnessErrorCode
  constructor(code: WitnessErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
