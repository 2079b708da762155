import { existsSync, statSync } from 'node:fs'
import { parseVkey, verifyCheckpoint } from '@entente/verify/tlog'
import { openLogKey } from '#notary/key.ts'
import { outboxCursor } from '#notary/outbox.ts'
import type { Journal, Store, StoredHead } from '#store/store.ts'
import { toChannels } from '../channel-config.ts'
import type { Config, Paths } from '../config.ts'
import { defaultOrigin } from '../identity.ts'
import { isServed, mongoOptions, openStore } from '../stores.ts'
import { type Check, ok, type Patient, problem, type Seen, warning } from './check.ts'
import { comparedWith, heldAgainst } from './clocks.ts'

/** A file of this size is read in seconds; of a larger one the structure is left to the audit. */
const MOST_CHECKED = 1_073_741_824
/** More than this waits for a broker only while it is away, or too slow. */
const MOST_WAITING = 1000
const MOST_COUNTED = 100_000
const AUDIT = 'Run "entente audit", which says what is damaged, and then "entente repair".'

export const storeChecks = (config: Config): Check[] => [
  { name: 'store', group: 'store', run: readStore },
  ...(config.store.kind === 'mongodb' ? [{ name: 'MongoDB', group: 'store', run: mongo } satisfies Check] : []),
]

async function readStore(patient: Patient): Promise<Seen[]> {
  const { config, paths } = patient
  if (!isServed(config, paths)) return [ok('store', 'there is none yet: the first start of a server makes it')]
  const store = await openStore(config, paths, { readOnly: true })
  try {
    return [
      ...(await head(store, config, paths)),
      ...(await newest(store, patient)),
      ...(await structure(store, patient)),
      ...(await waiting(store, config)),
    ]
  } finally {
    await store.close()
  }
}

async function head(store: Store, config: Config, paths: Paths): Promise<Seen[]> {
  const stored = await store.head()
  if (!stored) return [ok('store', 'it is empty')]
  if (!existsSync(paths.logKey))
    return [
      problem(
        'log',
        `${paths.logKey} is not there, and the store has a log`,
        "Restore the log's key from your backup: a new one would be a new log.",
      ),
    ]
  const { vkey, keys, signer } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  if (!signer.also) return [isSigned(stored, vkey)]
  const seen = `${keys.vkeys.at(-2)}, the key before this one, signs as well`
  const mend = 'Once witnesses and readers with other programs know the new key: "entente log retire-key".'
  return [isSigned(stored, vkey), warning("the log's key", seen, mend)]
}

function isSigned({ size, note }: StoredHead, vkey: string): Seen {
  try {
    verifyCheckpoint(note, { logs: [parseVkey(vkey)] })
    return ok('log', `${size} entries, signed by ${vkey}`)
  } catch (error) {
    return problem(
      'log',
      `the store's checkpoint of size ${size} is not signed by this log's key: ${(error as Error).message}`,
      'Put the log.key and the store together that belong together: one of them is of another server, or log.origin was changed.',
    )
  }
}

async function newest(store: Store, patient: Patient): Promise<Seen[]> {
  const dates = (await store.collections()).map(c => c.lastAdded)
  const last = Math.max(0, ...dates)
  return last === 0 ? [] : [heldAgainst('the newest record', last, patient)]
}

async function structure(store: Store & Journal, { config, paths }: Patient): Promise<Seen[]> {
  if (config.store.kind === 'sqlite' && statSync(paths.store).size > MOST_CHECKED)
    return [ok('structure', 'the file is larger than what is checked here: "entente audit" reads all of it')]
  const wrong = await store.integrity(true)
  if (wrong.length === 0) return [ok('structure', 'pages and indexes are as they should be')]
  return wrong.slice(0, 5).map(text => problem('structure', text, AUDIT))
}

async function waiting(store: Store, { channels }: Config): Promise<Seen[]> {
  if (channels.kind === 'embedded') return []
  return Promise.all(
    toChannels(channels).map(async ({ name }) => {
      const subject = `channel ${name}`
      const position = await store.cursor(outboxCursor(channels.kind, name))
      if (position === undefined) return ok(subject, 'nothing was brought to the broker yet', 'brokers')
      const count = await store.countRouted(name, position, MOST_COUNTED)
      const seen = `${count}${count === MOST_COUNTED ? ' or more' : ''} messages wait for the broker`
      return count <= MOST_WAITING
        ? ok(subject, seen, 'brokers')
        : warning(subject, seen, 'Start the server, and see in its log what the broker answers.', 'brokers')
    }),
  )
}

async function mongo(patient: Patient): Promise<Seen[]> {
  const { readMongoState } = await import('#store/mongodb/state.ts')
  const { version, members, cacheBytes, time } = await readMongoState(mongoOptions(patient.config, patient.paths))
  const seen: Seen[] = [ok('MongoDB', `version ${version}`), comparedWith('MongoDB', time, 60_000_000, patient)]
  if (members) {
    const [up, all] = [members.filter(m => m.isUp).length, members.length]
    const text = `${up} of ${all} members of the replica set are up: ${members.map(m => `${m.name} ${m.state}`).join(', ')}`
    const mend = 'Bring back the members that are away: without a majority nothing can be stored.'
    if (up <= all / 2) seen.push(problem('replica set', text, mend))
    else seen.push(up < all ? warning('replica set', text, mend) : ok('replica set', text))
    if (all % 2 === 0)
      seen.push(
        warning('replica set', `${all} members vote no better than ${all - 1}`, 'Have an odd number of members.'),
      )
  } else seen.push(ok('replica set', 'there is one; who is in it, this user may not ask (role clusterMonitor)'))
  if (cacheBytes !== undefined)
    seen.push(
      cacheBytes >= LEAST_CACHE
        ? ok('cache', `${Math.round(cacheBytes / 1_048_576)} MiB`)
        : warning(
            'cache',
            `${Math.round(cacheBytes / 1_048_576)} MiB`,
            'Give the database a cache of at least 256 MB (storage.wiredTiger.engineConfig.cacheSizeGB).',
          ),
    )
  return seen
}
const LEAST_CACHE = 256_000_000
