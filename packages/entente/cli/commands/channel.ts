import { formatMicros } from '#notary/time.ts'
import type { Args } from '../commands.ts'
import { openData } from '../data.ts'
import { findCollection, findRecords, findSentLines, readSince, type SentLine } from '../disclosed.ts'
import { CliError, EXIT } from '../errors.ts'
import { print, table } from '../print.ts'
import { openSent } from '../stores.ts'
import { integerOf, isSet, positionals, textOf } from '../values.ts'

const USAGE = 'channel sent [--collection ID|ALIAS] [--seq N | --object ID] [--subscriber NAME] [--since TIME]'
const DEFAULT_LIMIT = 1000

/** Who was sent what, from the data folder of a server, which may run. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number> {
  if (action !== 'sent')
    throw new CliError('usage', `"${action}" is nothing to do with channels\nUsage: entente ${USAGE}`)
  positionals(rest, [], USAGE)
  const { config, paths } = openData(values)
  const sent = await openSent({ config, paths, readOnly: true })
  if (!sent)
    throw new CliError(
      'no',
      `${paths.sent} is not there: nothing was sent yet, or channels.sentDays is 0 and it is not kept`,
    )
  try {
    const collection = findCollection(config, paths, values)
    const asked = await findRecords(config, paths, collection, values)
    const since = readSince(values)
    const limit = integerOf(values, 'limit', 1) ?? DEFAULT_LIMIT
    const subscriber = textOf(values, 'subscriber')
    const lines = await findSentLines(sent, { collection, asked, subscriber, since, limit })
    show(lines.slice(0, limit), isSet(values, 'json'), asked !== undefined)
    return lines.length > 0 ? EXIT.yes : EXIT.no
  } finally {
    await sent.close()
  }
}

function show(lines: SentLine[], isJson: boolean, isOne: boolean): void {
  const json = lines.map(({ range: { from, until, ...range }, seq, as }) => ({
    ...(seq === undefined ? {} : { seq, as }),
    ...range,
    from: formatMicros(from),
    until: formatMicros(until),
  }))
  print(isJson, { sent: json }, () => {
    if (lines.length === 0) return ['nothing was sent']
    const head = [...(isOne ? ['SEQ', 'AS'] : []), 'SUBSCRIBER', 'VIA', 'TOPIC', 'ADDRESS', 'FROM', 'UNTIL', 'EVENTS']
    const rows = json.map(j => [
      ...(isOne ? [String(j.seq), String(j.as)] : []),
      j.subscriber,
      j.via,
      `${j.kind} ${j.topic}`,
      j.address === '' ? '-' : j.address,
      j.from,
      j.until,
      `${j.first}–${j.last}: ${j.whole}${j.references > 0 ? `, ${j.references} as references` : ''}`,
    ])
    return table([head, ...rows])
  })
}
