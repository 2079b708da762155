import { existsSync } from 'node:fs'
import type { EvmStatus } from '#ledger/evm/status.ts'
import type { Anchor, AnchorIdentity, Checkpoint } from '#ledger/anchor.ts'
import type { Finality } from '#ledger/chain.ts'
import type { Args } from '../commands.ts'
import { type ConfiguredLedgers, exitOf, originOf, readConfiguredLedgers } from '../configured-ledgers.ts'
import { EXIT } from '../errors.ts'
import { evmOptions } from '../evm-ledger.ts'
import type { LedgerConfig } from '../ledger-config.ts'
import { journalFile, ledgerJournal, openAnchors } from '../ledgers.ts'
import { print } from '../print.ts'
import { isSet } from '../values.ts'

type Seen = { json: object; lines: string[]; exit: number }

/** Shows each configured ledger as it is now; nothing is sent, beside a running server too. */
export async function run({ values, positionals }: Args): Promise<number> {
  const configured = readConfiguredLedgers(values, positionals)
  const origin = originOf(configured.config, configured.paths)
  const seen: Seen[] = []
  for (const ledger of configured.ledgers) seen.push(await look(ledger, configured, origin))
  print(isSet(values, 'json'), { origin, ledgers: seen.map(s => s.json) }, () => [
    origin,
    ...seen.flatMap(s => s.lines),
  ])
  return Math.max(EXIT.yes, ...seen.map(s => s.exit))
}

async function look(ledger: LedgerConfig, { config, paths }: ConfiguredLedgers, origin: string): Promise<Seen> {
  const { id, kind } = ledger
  try {
    if (ledger.kind === 'evm') {
      const { readEvmStatus } = await import('#ledger/evm/status.ts')
      const journal = existsSync(journalFile(id, paths)) ? ledgerJournal(id, paths) : undefined
      return ofEvm(await readEvmStatus({ ...(await evmOptions(ledger, paths, true)), origin }, journal))
    }
    const [anchor] = await openAnchors({ ...config, ledgers: [ledger] }, paths, origin, true)
    return await ofAnchor(anchor as Anchor)
  } catch (error) {
    const exit = exitOf(error)
    const { code, message } = error as { code: string; message: string }
    return {
      exit,
      json: { ledger: id, kind, ok: false, code, error: message },
      lines: [`ledger ${id} (${kind}): ${message} (${code})`],
    }
  }
}

async function ofAnchor(anchor: Anchor): Promise<Seen> {
  try {
    const [identity, latest] = [await anchor.describe(), await anchor.latest()]
    return { exit: EXIT.yes, json: { ok: true, ...common(identity, latest) }, lines: words(identity, latest) }
  } finally {
    await anchor.close()
  }
}

function ofEvm({ identity, latest, codeHash, final, balance, endpoints, pending }: EvmStatus): Seen {
  const away = endpoints.filter(e => 'error' in e)
  const nodes = endpoints.map(e =>
    'error' in e ? `${e.name} away: ${e.error}` : `${e.name} at block ${e.head}, final ${e.final}`,
  )
  return {
    exit: away.length > 0 ? EXIT.unreachable : EXIT.yes,
    json: {
      ok: away.length === 0,
      ...common(identity, latest),
      code_hash: codeHash,
      balance,
      ...(final === undefined ? {} : { final }),
      endpoints,
      agree: true,
      ...(pending === undefined ? {} : { pending }),
    },
    lines: [
      ...words(identity, latest, final),
      `  account    ${identity.owner} has ${balance}`,
      ...nodes.map((line, i) => `  ${i === 0 ? 'nodes    ' : '         '}  ${line}`),
      ...(nodes.length > 1 && away.length < nodes.length - 1 ? ['             all that answer agree'] : []),
      ...(pending === undefined
        ? []
        : [`  under way  nonce ${pending.nonce}: ${pending.transactions.join(', ') || 'signed by the node'}`]),
    ],
  }
}

const common = (
  { ledger, kind, chainId, genesis, contract, logId, owner, finality, validators, enforces }: AnchorIdentity,
  latest: Checkpoint | undefined,
) => ({
  ledger,
  kind,
  chain_id: kind === 'evm' ? Number(chainId) : chainId,
  genesis,
  contract,
  log_id: logId,
  owner,
  finality,
  enforces,
  validators,
  size: latest?.size ?? 0,
  ...(latest === undefined ? {} : { root: Buffer.from(latest.root).toString('base64') }),
})

function words(identity: AnchorIdentity, latest: Checkpoint | undefined, final?: boolean): string[] {
  const { ledger, kind, chainId, genesis, contract, logId, owner, validators } = identity
  const is = final === undefined ? '' : final ? ', final' : ', not final yet'
  return [
    `ledger ${ledger} (${kind}): chain ${chainId}, genesis ${genesis}`,
    ...(contract === undefined ? [] : [`  contract   ${contract}`]),
    ...(logId === undefined ? [] : [`  log        ${logId}`]),
    `  owner      ${owner}`,
    `  latest     ${latest === undefined ? 'nothing anchored yet' : `size ${latest.size}${is}`}`,
    `  finality   ${inWords(identity.finality)}`,
    ...(validators === undefined ? [] : [`  sealed by  ${validators.length} validators: ${validators.join(', ')}`]),
  ]
}

function inWords(finality: Finality): string {
  if (finality === 'instant') return 'at once'
  return finality === 'finalized' ? 'when the chain says so' : `under ${finality.depth} blocks`
}
