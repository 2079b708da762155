import { type Clock, readClocks } from '#registry/due.ts'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { federationDir, reading } from '../federation/act.ts'
import { listCountries, loadCountry } from '../federation/config.ts'
import { chainsOf } from '../federation/chains.ts'
import { formatTime, nowSeconds, timeOption } from '../federation/input.ts'
import { EU, formatChainName } from '../federation/layout.ts'
import { openNames } from '../federation/names.ts'
import { print, table } from '../print.ts'
import { isSet, listOf, positionals as exactly } from '../values.ts'

/** Every clock that runs, the next one first. */
export async function run({ values, positionals }: Args): Promise<number> {
  exactly(positionals, [], 'due [--country FR,…] [--until TIME]')
  const dir = federationDir(values)
  const countries = listOf(values, 'country') ?? listCountries(dir)
  if (countries.length === 0) throw new CliError('usage', `${dir} has no federation: --dir names another folder`)
  const now = nowSeconds()
  const until = timeOption(values, 'until', now) ?? Number.POSITIVE_INFINITY
  const names = openNames(dir)
  const all = await Promise.all(
    countries
      .flatMap(country => chainsOf(loadCountry(dir, country)))
      .map(({ name }) => reading(values, name, chain => readClocks(formatChainName(name), chain, now))),
  )
  const clocks = all
    .flat()
    .filter(clock => clock.at <= until)
    .sort((a, b) => a.at - b.at)
  const isOverdue = clocks.some(clock => clock.isOverdue)
  print(isSet(values, 'json'), { now, clocks }, () =>
    clocks.length === 0
      ? [`no clock runs on the chains of ${countries.filter(country => country !== EU).join(', ')}`]
      : table([
          ['WHEN', 'IN', 'WHAT', 'OF', 'WHOSE', 'CHAIN'],
          ...clocks.map(clock => [
            formatTime(clock.at),
            remaining(clock, now),
            clock.what,
            names.show(clock.subject),
            clock.party === undefined ? '' : names.show(clock.party),
            clock.chain,
          ]),
        ]),
  )
  return isOverdue ? EXIT.no : EXIT.yes
}

function remaining({ at, isOverdue }: Clock, now: number): string {
  const seconds = Math.abs(at - now)
  const text = seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
  return isOverdue ? `OVERDUE ${text}` : text
}
