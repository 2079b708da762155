import { LedgerError } from '../error.ts'

/** A checkpoint as the chaincode keeps and answers it (chaincode/checkpoint-anchor.ts). */
export interface Anchored {
  /** 64 hex digits. */
  readonly root: string
  readonly size: number
  /** Seconds since 1970. */
  readonly time: number
  readonly transaction: string
}

/** What a function of the chaincode answered; undefined for nothing. @throws LedgerError `corrupt` */
export function parseAnswer(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString()
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new LedgerError('corrupt', `the chaincode's answer is no JSON: ${text.slice(0, 80)}`, { cause })
  }
}

const HASH = /^[0-9a-f]{64}$/

/** A checkpoint of at least one leaf. @throws LedgerError `corrupt` */
export function toAnchored(value: unknown): Anchored {
  const { root, size, time, transaction } = (value ?? {}) as Record<string, unknown>
  const isCheckpoint =
    typeof root === 'string' && HASH.test(root) && Number.isSafeInteger(size) && (size as number) >= 1
  const isPlaced = typeof transaction === 'string' && HASH.test(transaction) && Number.isSafeInteger(time)
  if (!isCheckpoint || !isPlaced)
    throw new LedgerError('corrupt', `the chaincode's answer is no checkpoint: ${JSON.stringify(value)?.slice(0, 200)}`)
  return { root, size: size as number, time: time as number, transaction }
}

/** `latest` of the chaincode: undefined while the log is empty. @throws LedgerError `corrupt` */
export function toLatest(value: unknown): Anchored | undefined {
  return (value as { size?: unknown } | undefined)?.size === 0 ? undefined : toAnchored(value)
}

export const rootBytes = ({ root }: Pick<Anchored, 'root'>): Uint8Array => Uint8Array.from(Buffer.from(root, 'hex'))
