import type { Args } from '../commands.ts'
import { withClient } from '../connect.ts'
import { EXIT } from '../errors.ts'
import { print, table } from '../print.ts'
import { isSet, positionals } from '../values.ts'

/** Which markings a login may see. */
export async function run({ values, positionals: given }: Args): Promise<number> {
  const url = positionals(given, ['URL'], 'markings URL')[0] as string
  const found = await withClient(url, 'that of a server, an API root or a collection', values, client => {
    const { origin, pathname } = new URL(url)
    const root = pathname.split('collections/', 1)[0] as string
    return client.markings(root === '/' ? undefined : `${origin}${root}`)
  })
  print(isSet(values, 'json'), found, () => [
    ...table([['CLEARED', 'NAME', 'ID'], ...found.markings.map(m => [m.cleared ? 'yes' : 'no', m.name ?? '-', m.id])]),
    `An object without TLP counts as ${found.unmarked}.`,
    ...(found.collections ?? []).map(c => `In the collection ${c.id} it counts as ${c.unmarked}.`),
    `An object with a marking that is not listed is ${found.others === 'allow' ? 'shown' : 'not shown'}.`,
  ])
  return EXIT.yes
}
