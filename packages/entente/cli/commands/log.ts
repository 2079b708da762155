import { createTaxiiClient } from '@entente/client'
import { type LogKeys, readLogKeys, verifyContinuation, verifySuccession } from '@entente/verify/proof'
import { parseVkey } from '@entente/verify/tlog'
import { openLogKey } from '#notary/key.ts'
import { retireKey, rotateKey } from '#notary/rotate.ts'
import { systemClock } from '#notary/time.ts'
import { StoreError } from '#store/store.ts'
import type { Args } from '../commands.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { print } from '../print.ts'
import { openStore } from '../stores.ts'
import { isSet, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>

/** The key of a server's log: which there were, another one, and the end of the one before. */
export async function run({ values, positionals: given }: Args): Promise<number> {
  const [action] = positionals(given, ['keys|rotate-key|retire-key'], 'log keys|rotate-key|retire-key')
  if (action === 'keys') return showKeys(values)
  if (action === 'rotate-key') return rotate(values)
  if (action === 'retire-key') return retire(values)
  throw new CliError('usage', `"log ${action}": keys, rotate-key and retire-key are known`)
}

async function showKeys(values: Values): Promise<number> {
  const url = textOf(values, 'url')
  const [keys, isBoth, continuations] = url === undefined ? ownKeys(values) : await keysOf(url)
  const { origin, vkeys, successions } = keys
  const json = { format: 'entente/keys/v1', origin, keys: vkeys, successions }
  print(isSet(values, 'json'), json, () => [
    origin,
    ...continuations
      .map(verifyContinuation)
      .map(
        c =>
          `  goes on from ${parseVkey(c.from).name}, which ended at size ${c.size} (known to have been at ${c.last}), ${c.time}`,
      ),
    `  ${vkeys[0]}`,
    ...successions.map(verifySuccession).map(s => `  ${s.to}  since entry ${s.index}, ${s.time}`),
    ...(isBoth ? ['  the key before the last signs as well, until "entente log retire-key"'] : []),
  ])
  return EXIT.yes
}

function ownKeys(values: Values): [LogKeys, boolean, readonly string[]] {
  const { config, paths } = openData(values)
  const { keys, signer, continuations } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  return [keys, signer.also !== undefined, continuations]
}

async function keysOf(url: string): Promise<[LogKeys, boolean, readonly string[]]> {
  const client = createTaxiiClient({ url })
  const keys = readLogKeys(await client.logKey(), await client.successions())
  return [keys, false, await client.continuations()]
}

async function rotate(values: Values): Promise<number> {
  const { config, paths } = openData(values)
  const isRetiring = isSet(values, 'retire')
  const origin = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false).signer.name
  const { from, to, index } = await exclusively(paths.data, async () => {
    const store = await openStore(config, paths, {})
    try {
      return await rotateKey({ store, file: paths.logKey, origin, now: systemClock() })
    } finally {
      await store.close()
    }
  })
  if (isRetiring) retireKey(paths.logKey, origin)
  print(isSet(values, 'json'), { origin, from, to, index, retired: isRetiring }, () => [
    `${to}`,
    `is the key of ${origin} now; entry ${index} of the log says so, signed by it and by the one before, ${from}`,
    isRetiring
      ? 'the one before is destroyed: who pinned it follows by the statement at /log/keys; tell witnesses that are not Entente the new key'
      : `the one before, in ${paths.logKey}.old, signs as well: tell witnesses and readers with other programs the new key, then "entente log retire-key"`,
    `Back up ${paths.logKey}: it is another one now.`,
  ])
  return EXIT.yes
}

async function exclusively<T>(data: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.code !== 'locked') throw cause
    throw new CliError('no', `a server runs on ${data}: stop it first, and start it again afterwards`, { cause })
  }
}

async function retire(values: Values): Promise<number> {
  const { config, paths } = openData(values)
  const vkey = retireKey(paths.logKey, config.log.origin ?? defaultOrigin)
  print(isSet(values, 'json'), { retired: vkey ?? null }, () => [
    vkey === undefined
      ? 'there is no key before this one that still signs'
      : `${vkey} is destroyed: a server that runs lets go of it when it is started again`,
  ])
  return vkey === undefined ? EXIT.no : EXIT.yes
}
