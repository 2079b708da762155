import { openLogKey } from '#notary/key.ts'
import { formatMicros } from '#notary/time.ts'
import type { Args } from '../commands.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin, toApiRoots } from '../identity.ts'
import { print, table } from '../print.ts'
import { openStore } from '../stores.ts'
import { isSet, positionals } from '../values.ts'

const DAY = 86_400_000_000
const USAGE = 'collection list | show ID|ALIAS'

/** The collections of a server, with what the configuration says of each and how much the log has. They are made in the configuration. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  if (action !== 'list' && action !== 'show')
    throw new CliError('usage', `"${action}" is nothing to do with collections\nUsage: entente ${USAGE}`)
  const all = await read(values)
  const isJson = isSet(values, 'json')
  if (action === 'list') {
    positionals(rest, [], 'collection list')
    const rows = all.map(c => [c.api_root, c.alias ?? '', c.id, String(c.records), c.title])
    print(isJson, { collections: all }, () => table([['API ROOT', 'ALIAS', 'ID', 'RECORDS', 'TITLE'], ...rows]))
    return EXIT.yes
  }
  const name = positionals(rest, ['ID|ALIAS'], 'collection show ID|ALIAS')[0] as string
  const found = all.filter(c => c.id === name.toLowerCase() || c.alias === name)
  if (found.length === 0)
    throw new CliError('no', `there is no collection ${name}: there are ${all.map(c => c.alias ?? c.id).join(', ')}`)
  print(isJson, found.length === 1 ? found[0] : { collections: found }, () =>
    found.flatMap(c => table(Object.entries(c).map(([key, value]) => [key, String(value ?? '-')]))),
  )
  return EXIT.yes
}

async function read(values: Record<string, unknown>) {
  const { config, paths } = openData(values)
  const { first } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const store = await openStore(config, paths, { readOnly: true })
  try {
    const heads = await store.collections()
    return toApiRoots(config, first).flatMap(root =>
      root.collections.map(c => ({
        api_root: root.path,
        id: c.id,
        alias: c.alias,
        title: c.title,
        description: c.description,
        records: heads.find(h => h.apiRoot === root.path && h.id === c.id)?.count ?? 0,
        read: c.read,
        write: c.write,
        ledgers: c.ledgers,
        require: c.require,
        on_invalid: c.onInvalid,
        validation: c.validation,
        on_conflict: c.onConflict,
        hold: c.hold && ('for' in c.hold ? `${c.hold.for / DAY}d` : formatMicros(c.hold.until)),
        repost: c.repost,
      })),
    )
  } finally {
    await store.close()
  }
}
