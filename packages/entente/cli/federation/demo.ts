import { EUCC } from '#registry/eucc.ts'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { CONSORTIUM, type NewParty, quorum } from '@entente/rules'
import { keyFileOf, type OpenChain, readGenesis, readSigner } from './chains.ts'
import type { Country } from './config.ts'
import { type ChainKind, EU } from './layout.ts'

/**
 * What the members of a federation agree on before it can be used, done with everybody's keys: authorities are seated by a quorum (row 1), and the
 * Commission adopts EUCC (row 3). What is there already stays; whoever was killed in the middle goes on.
 */
export async function enactDemo(
  countries: readonly Country[],
  here: (country: string, kind: ChainKind) => OpenChain | undefined,
): Promise<void> {
  const chain = here(EU, 'eu')
  const eu = countries.find(({ config }) => config.country === EU)
  if (chain === undefined || eu === undefined) return
  const national = countries.filter(one => one !== eu)
  const reader = await chain.as()
  const seats = national.flatMap(country => authoritiesOf(country).map(authority => ({ country, authority })))
  const seated = await Promise.all(seats.map(({ authority }) => reader.get('party', authority.id)))
  const missing = seats.filter((_, i) => seated[i]?.value === undefined)
  const adopted = await reader.get('scheme', EUCC.id)
  const consortium = await reader.get('consortium', CONSORTIUM)
  await reader.close()
  if (missing.length === 0 && adopted.value !== undefined) return

  const members = new Map<string, RuleChain>()
  const memberOf = ({ paths }: Country, name: string) =>
    chain.as(readSigner(chain.config, keyFileOf(chain.config, paths, name)))
  members.set('commission', await memberOf(eu, 'commission'))
  members.set('enisa', await memberOf(eu, 'enisa'))
  for (const country of national) members.set(country.config.country, await memberOf(country, 'state'))
  try {
    if (adopted.value === undefined) await members.get('commission')?.run('adoptScheme', EUCC.id, EUCC.terms)
    const needed = consortium.value === undefined ? 1 : quorum(consortium.value)
    await Promise.all(
      missing.map(async ({ country: { config }, authority: { act, ...authority } }) => {
        const proposer = members.get(config.country)
        const kind = authority.kind as 'ncca' | 'nab' | 'coordinator'
        const change = { do: 'seat' as const, authority: { ...authority, kind }, act }
        const proposed = await proposer?.run('propose', change)
        const number = proposed?.events.find(event => event.name === 'ChangeProposed')?.subject
        const others = [...members.values()].filter(member => member !== proposer).slice(0, needed - 1)
        if (number !== undefined) await Promise.all(others.map(member => member.run('vote', number)))
      }),
    )
  } finally {
    await Promise.all([...members.values()].map(member => member.close()))
  }
}

/** As its chains begin with them. */
function authoritiesOf(country: Country): NewParty[] {
  const { artifact } = country.config.chains
  return artifact === undefined ? [] : readGenesis(country, artifact).parties
}
