import { compareCheckpoints, createTaxiiClient, type LogSource, readTile, serverLog } from '@entente/client'
import type { Anchor, Checkpoint } from '#ledger/anchor.ts'
import { historyOf, openLogKey } from '#notary/key.ts'
import { storeLog } from '../audit-outside.ts'
import type { Args } from '../commands.ts'
import { type ConfiguredLedgers, exitOf, readConfiguredLedgers } from '../configured-ledgers.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { openStore } from '../stores.ts'
import { openAnchors } from '../ledgers.ts'
import { openWatch } from '../memory.ts'
import { print } from '../print.ts'
import { readTrustOptions } from '../trust.ts'
import { isSet, textOf } from '../values.ts'

type Values = Record<string, unknown>
type Log = { source: LogSource; vkeys: readonly string[] | undefined; close(): Promise<void> }
type Verdict = { json: object; line: string; exit: number }

/** Compares what each configured ledger has as its latest with the log: that of a data folder, or of a server elsewhere. */
export async function run({ values, positionals }: Args): Promise<number> {
  const configured = readConfiguredLedgers(values, positionals)
  // The ledgers first: beside a running server they may move on, and must not be ahead of what is read of the log.
  const log = await openLog(values)
  try {
    const origin = await originOfLog(log)
    const anchored: (Answer & { ledger: string })[] = []
    for (const ledger of configured.ledgers)
      anchored.push({ ledger: ledger.id, ...(await latestOf(ledger, configured, origin)) })
    const head = await openWatch(values, log.source, log.vkeys).head()
    if (!head) throw new CliError('no', `${log.source.name} shows no log`)
    const verdicts: Verdict[] = []
    for (const answer of anchored) verdicts.push(await compare(answer, head, log.source))
    const ok = verdicts.every(v => v.exit === EXIT.yes)
    const { size, key } = head
    print(isSet(values, 'json'), { ok, origin: head.origin, size, key, ledgers: verdicts.map(v => v.json) }, () => [
      `${head.origin}: size ${size}`,
      ...verdicts.map(v => v.line),
    ])
    return Math.max(EXIT.yes, ...verdicts.map(v => v.exit))
  } finally {
    await log.close()
  }
}

async function openLog(values: Values): Promise<Log> {
  const url = textOf(values, 'url')
  const vkeys = readTrustOptions(values)?.vkeys
  if (url !== undefined) return { source: serverLog(createTaxiiClient({ url })), vkeys, close: async () => {} }
  const { config, paths } = openData(values)
  const vkey = vkeys?.[0] ?? openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false).vkey
  const store = await openStore(config, paths, { readOnly: true })
  return {
    source: storeLog(store, vkey, paths.data, historyOf(paths.logKey)),
    vkeys: [vkey],
    close: () => store.close(),
  }
}

/** Only to find the log on the ledgers: it is believed once the checkpoint is verified. */
async function originOfLog({ source, vkeys }: Log): Promise<string> {
  const [vkey = await source.key()] = vkeys ?? []
  return vkey.slice(0, vkey.indexOf('+'))
}

type Answer = { latest?: Checkpoint | undefined; error?: unknown }

async function latestOf(
  ledger: ConfiguredLedgers['ledgers'][number],
  { config, paths }: ConfiguredLedgers,
  origin: string,
): Promise<Answer> {
  let anchor: Anchor | undefined
  try {
    ;[anchor] = await openAnchors({ ...config, ledgers: [ledger] }, paths, origin, true)
    return { latest: await anchor?.latest() }
  } catch (error) {
    return { error }
  } finally {
    await anchor?.close()
  }
}

async function compare(
  { ledger, latest, error }: Answer & { ledger: string },
  head: Checkpoint & { origin: string; extensions: string[] },
  source: LogSource,
): Promise<Verdict> {
  const verdict = (exit: number, words: string, json: object): Verdict => ({
    exit,
    json: { ledger, ok: exit === EXIT.yes, ...json },
    line: `  ledger ${ledger}: ${words}`,
  })
  if (error !== undefined) {
    const { code, message } = error as { code?: string; message: string }
    return verdict(exitOf(error), `${message} (${code})`, { code, error: message })
  }
  if (!latest) return verdict(EXIT.yes, 'nothing anchored yet', { size: 0 })
  const { size, root } = latest
  if (size > head.size)
    return verdict(EXIT.evidence, `has size ${size}, the log only ${head.size}: it was rolled back, or lost its end`, {
      size,
      code: 'rolled-back',
    })
  const anchored = { ...head, size, root }
  const { is } = await compareCheckpoints(anchored, head, (level, index, width) =>
    readTile(source, { level, index, width }),
  )
  if (is === 'consistent') return verdict(EXIT.yes, `size ${size} is the beginning of the log`, { size })
  const words =
    is === 'fork'
      ? `has another root at size ${size}: this is not the log that was anchored`
      : `size ${size} cannot be compared: the log does not show the tiles of its own checkpoint`
  return verdict(EXIT.evidence, words, { size, code: is === 'fork' ? 'forked' : 'integrity' })
}
