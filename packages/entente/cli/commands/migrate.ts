import { openLogKey } from '#notary/key.ts'
import type { Args } from '../commands.ts'
import type { Config, Paths } from '../config.ts'
import { copyStore } from '../copy-store.ts'
import { openData } from '../data.ts'
import { CliError, EXIT } from '../errors.ts'
import { defaultOrigin } from '../identity.ts'
import { counted, print } from '../print.ts'
import { createProgress } from '../progress.ts'
import { openStore } from '../stores.ts'
import { isSet, textOf } from '../values.ts'
import { describe } from './audit.ts'

type Kind = Config['store']['kind']
const KINDS: readonly string[] = ['sqlite', 'mongodb'] satisfies Kind[]

/** Copies the store of a stopped server into one of another kind, and audits both before the copy becomes a store of the log. */
export async function run({ values }: Args): Promise<number> {
  const [from, to] = [kindOf(values, 'from'), kindOf(values, 'to')]
  if (from === to) throw new CliError('usage', `--from and --to are both ${from}`)
  // The key tells that a server ran here, whichever kind of store it had.
  const { config, paths } = openData(values)
  if (config.store.kind !== 'mongodb')
    throw new CliError(
      'usage',
      'the configuration names no database: set store.kind to mongodb, and store.url or store.urlFile',
    )
  const { vkey } = openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false)
  const isJson = isSet(values, 'json')
  const progress = createProgress(isJson)
  const open = (kind: Kind, create: boolean) => openStore({ store: { ...config.store, kind } }, paths, { create })
  const source = await open(from, false).catch((cause: Error) => {
    if ((cause as { code?: string }).code !== 'locked') throw cause
    throw new CliError('no', `a server runs on ${paths.data}: stop it first`, { cause })
  })
  try {
    const target = await open(to, true)
    try {
      const { problems, head, counts } = await copyStore(source, target, {
        vkey,
        place: placeOf(to, config, paths),
        progress,
      })
      progress.end()
      const ok = problems.length === 0
      print(isJson, { ok, from, to, size: head.size, counts, problems }, () => [
        ...problems.map(describe),
        ...(ok
          ? [
              `${counted(counts['records'] ?? 0, 'row')} and all that belongs to them, at size ${head.size}, were copied and audited`,
              `set store.kind to ${to} and start the server; ${placeOf(from, config, paths)} stays as it is until you remove it`,
            ]
          : [`${counted(problems.length, 'problem')} found: nothing was taken over`]),
      ])
      return ok ? EXIT.yes : EXIT.evidence
    } finally {
      await target.close()
    }
  } finally {
    progress.end()
    await source.close()
  }
}

function kindOf(values: Record<string, unknown>, option: string): Kind {
  const kind = textOf(values, option)
  if (kind !== undefined && KINDS.includes(kind)) return kind as Kind
  throw new CliError('usage', `--${option} is ${kind === undefined ? 'missing' : `"${kind}"`}: it is sqlite or mongodb`)
}

const placeOf = (kind: Kind, { store }: Config, paths: Paths): string =>
  kind === 'sqlite' ? paths.store : `the database "${store.database}"`
