import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { compareWithLedger, type LogSource, type SeenCheckpoint } from '@entente/client'
import { parseStrict } from '@entente/verify/json'
import { encodeBase64 } from '@entente/verify/tlog'
import { LedgerError } from '#ledger/error.ts'
import type { AnchorReader } from '#ledger/reader.ts'
import type { AskedLedger } from './ask-ledgers.ts'
import type { OutsideProblem } from './audit-outside.ts'
import { CliError } from './errors.ts'
import { evidenceIn, saveEvidence } from './memory.ts'
import { listOf } from './values.ts'

type Values = Record<string, unknown>
/** Which log on which ledger. */
type Pin = { kind: string; chainId: string; contract: string; logId: string }
/** What a ledger has of the log: asked before the server is. */
export type AnchoredLog = AskedLedger & {
  pin: Pin
  anchored: { size: number; root: Uint8Array; originHash: string | undefined } | undefined
  problem?: string
}

/**
 * Asks ledgers what they have of a log. Which log that is, `--ledger-pin` says, else the server: one that forked its log may name others to
 * others.
 *
 * @throws CliError `usage`, `unreachable`, `no`
 */
export async function readLedgers(
  server: string,
  asked: readonly AskedLedger[],
  values: Values,
): Promise<AnchoredLog[]> {
  const files = listOf(values, 'ledger-pin')
  if (asked.length === 0) return []
  const pins = files ? files.flatMap(readPins) : await serverPins(server)
  const found: AnchoredLog[] = []
  for (const { url, reader } of asked) {
    const pin = pins.find(p => p.kind === reader.kind && p.chainId === reader.chainId)
    if (!reader.latest)
      throw new CliError(
        'usage',
        `${url}: a ${reader.kind} ledger keeps no logs: its anchors are asked for with "entente verify --ledger"`,
      )
    if (!pin)
      throw new CliError(
        'no',
        `${files ? 'no --ledger-pin' : `nothing at ${server}/log/ledgers`} says which log it is on chain ${reader.chainId} (${url})`,
      )
    found.push({ url, reader, pin, ...(await latestOf(url, reader, pin)) })
  }
  return found
}

async function latestOf(
  url: string,
  reader: AnchorReader,
  pin: Pin,
): Promise<Pick<AnchoredLog, 'anchored' | 'problem'>> {
  try {
    return { anchored: await reader.latest?.(pin) }
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause
    if (cause.code === 'unreachable') throw new CliError('unreachable', `${url}: ${cause.message}`, { cause })
    return { anchored: undefined, problem: `${url}: ${cause.message}` }
  }
}

/** Holds each ledger against the log that the server shows: so every two of them are held against each other. */
export async function compareLedgers(
  source: LogSource,
  head: SeenCheckpoint,
  ledgers: readonly AnchoredLog[],
  values: Values,
): Promise<{ problems: OutsideProblem[]; json: object[]; lines: string[] }> {
  const problems: OutsideProblem[] = []
  const json: object[] = []
  const lines: string[] = []
  for (const { url, pin, anchored, problem } of ledgers) {
    const { chainId, contract, logId } = pin
    const claim = { kind: pin.kind, chain_id: Number(chainId), contract, log_id: logId }
    const wanted = createHash('sha256').update(head.origin).digest('hex')
    if (!anchored || (anchored.originHash ?? wanted) !== wanted) {
      const none = `${url} has nothing of ${head.origin} (log ${logId})`
      const other = `${url}: log ${logId} was registered under another origin than ${head.origin}`
      problems.push({ kind: 'ledger', message: problem ?? (anchored ? other : none) })
      continue
    }
    const evidence = await compareWithLedger(source, head, claim, anchored)
    json.push({ url, ...claim, size: anchored.size, ok: !evidence })
    if (!evidence) {
      lines.push(`  ledger ${url}: agrees up to size ${anchored.size}`)
      continue
    }
    const file = await saveEvidence(evidence, values)
    const has = `size ${anchored.size} with root ${encodeBase64(anchored.root)}`
    const shows = `size ${head.size} with root ${encodeBase64(head.root)}`
    const what = anchored.size > head.size ? 'is ahead of the log' : 'has another log than the one that is shown'
    problems.push({
      kind: 'ledger',
      message: `ledger ${url} ${what}: it has ${has}, ${source.name} shows ${shows}\n${evidenceIn(file)}`,
      evidence: file,
    })
  }
  return { problems, json, lines }
}

/** `GET /log/ledgers`, or a file of the same. */
function readPins(file: string): Pin[] {
  try {
    return toPins(parseStrict(readFileSync(file), { maxBytes: 1_048_576 }))
  } catch (cause) {
    throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
  }
}

async function serverPins(server: string): Promise<Pin[]> {
  const response = await fetch(new URL('/log/ledgers', server), {
    redirect: 'error',
    signal: AbortSignal.timeout(10_000),
  })
  return toPins(parseStrict(new Uint8Array(await response.arrayBuffer()), { maxBytes: 1_048_576 }))
}

const toPins = (value: unknown): Pin[] =>
  (Array.isArray(value) ? value : [value]).flatMap(item => {
    const { kind = 'evm', chain_id: chainId, contract, log_id: logId } = (item ?? {}) as Record<string, unknown>
    const isLog = typeof contract === 'string' && typeof logId === 'string'
    return isLog ? [{ kind: String(kind), chainId: String(chainId), contract, logId }] : []
  })
