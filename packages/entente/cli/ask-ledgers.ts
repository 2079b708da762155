import { createHash } from 'node:crypto'
import { type CheckedAnchor, compareLevels, type Evidence, type EvidenceLevel, ProofError } from '@entente/verify/proof'
import { LedgerError } from '#ledger/error.ts'
import type { AnchorReader, AnchorReading } from '#ledger/reader.ts'
import { loadConfig } from './config.ts'
import { CliError } from './errors.ts'
import { fabricOptions } from './fabric-ledger.ts'

/** A ledger that the reader asks itself. */
export type AskedLedger = { url: string; reader: AnchorReader }

/** What asking the ledgers adds to evidence: a level, and the same in words. */
export type Asked = { level: EvidenceLevel; ledgers: object[]; lines: string[] }

const KINDS: Record<string, (url: string) => Promise<AnchorReader>> = {
  evm: async url => (await import('#ledger/evm/reader.ts')).openEvmReader({ urls: [url] }),
  bitcoin: async url => (await import('#ledger/bitcoin/reader.ts')).openBitcoinReader({ url }),
}

/** A ledger of kind fabric wants an identity: the configuration file says which. */
async function openFabric(file: string): Promise<AskedLedger> {
  const { config, paths } = loadConfig({ file, data: '.', env: {} })
  const ledger = config.ledgers.find(l => l.kind === 'fabric')
  if (!ledger) throw new CliError('usage', `--ledger fabric:${file}: it configures no ledger of kind fabric`)
  const { openFabricReader } = await import('#ledger/fabric/reader.ts')
  return { url: ledger.endpoint, reader: openFabricReader(fabricOptions(ledger, paths)) }
}

/**
 * Opens the ledgers that `--ledger [KIND:]URL`, or `--ledger fabric:FILE`, names.
 *
 * @throws CliError `usage`, `unreachable`
 */
export async function openLedgers(given: readonly string[]): Promise<AskedLedger[]> {
  const opened: AskedLedger[] = []
  for (const text of given) {
    const colon = text.indexOf(':')
    const [kind, url] = isUrl(text) ? ['evm', text] : [text.slice(0, colon), text.slice(colon + 1)]
    if (kind === 'fabric') {
      opened.push(await openFabric(url))
      continue
    }
    const open = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined
    if (!isUrl(url) || !open)
      throw new CliError(
        'usage',
        `--ledger ${text}: it is [KIND:]URL, such as http://127.0.0.1:8545; KIND is ${Object.keys(KINDS).join(' or ')} (evm where it is left out), or fabric: with a configuration file in place of the URL`,
      )
    opened.push({ url: shown(url), reader: await reached(url, () => open(url)) })
  }
  return opened
}

const isUrl = (text: string): boolean => text.startsWith('http://') || text.startsWith('https://')

/**
 * Asks each ledger for the anchor that a file names there.
 *
 * @param depth blocks on top from which an anchor is final for this reader, whatever the chain says
 * @throws ProofError `anchor` where the file names none, or the ledger has another; CliError `unreachable`
 */
export async function askLedgers(
  { level, checkpoint, anchors }: Evidence,
  asked: readonly AskedLedger[],
  depth: number | undefined,
): Promise<Asked> {
  const result: Asked = { level, ledgers: [], lines: [] }
  for (const { url, reader } of asked) {
    const { kind, chainId } = reader
    const claim = anchors.find(({ anchor }) => anchor.kind === kind && String(anchor.chain_id) === chainId)
    if (!claim)
      throw new ProofError(
        'anchor',
        `no anchor on chain ${chainId} (${url}) is named: save the proof again once its status is complete there`,
      )
    const reading = await readClaim(claim, { url, reader })
    const { anchor } = claim
    checkOrigin(reading, checkpoint.origin, url)
    const final = depth === undefined ? reading.final : reading.confirmations >= depth
    const reached = final ? 'final' : 'anchored'
    if (compareLevels(reached, result.level) > 0) result.level = reached
    const time = new Date(reading.time * 1000).toISOString()
    const { block, confirmations } = reading
    result.ledgers.push({ ledger: anchor.ledger, url, level: reached, size: anchor.size, block, confirmations, time })
    const why = final === undefined ? ': the chain does not say what is final, decide with --ledger-depth' : ''
    result.lines.push(
      `ledger ${anchor.ledger}, asked at ${url}: size ${anchor.size} is there since block ${block} of ${time}, ${confirmations} on top: ${reached}${why}`,
    )
  }
  return result
}

async function readClaim({ anchor }: CheckedAnchor, { url, reader }: AskedLedger): Promise<AnchorReading> {
  const { ledger, transaction, contract, log_id: logId, size, root } = anchor
  if (transaction === undefined) throw new ProofError('anchor', `the anchor on ${ledger} names no transaction`)
  const claim = { ledger, transaction, contract, logId, size, root: Buffer.from(root, 'base64') }
  try {
    return await reached(url, () => reader.read(claim))
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause
    throw new ProofError('anchor', `${url} does not stand for it: ${cause.message}`, { cause })
  }
}

/** A log of somebody else could hold the same root; what can't be forked is the one of this origin. */
function checkOrigin({ originHash }: AnchorReading, origin: string, url: string): void {
  const wanted = createHash('sha256').update(origin).digest('hex')
  if (originHash !== undefined && !wanted.startsWith(originHash))
    throw new ProofError(
      'anchor',
      `${url} has the anchor in a log that was registered under another origin than ${origin}`,
    )
}

async function reached<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof LedgerError) || cause.code !== 'unreachable') throw cause
    throw new CliError('unreachable', `${shown(url)}: ${cause.message}`, { cause })
  }
}

/** Without user and password. */
function shown(text: string): string {
  const url = new URL(text)
  url.username = ''
  url.password = ''
  return url.href
}
