import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { loadKey } from '#ledger/evm/embedded/keys.ts'
import { hashText } from '#product/ids.ts'
import { PARTY_KINDS, type PartyKind } from '@entente/rules'
import { CliError } from '../errors.ts'
import { textOf } from '../values.ts'
import { federationDir, perform, withChain } from './act.ts'
import { keyFileOf, readSigner } from './chains.ts'
import { hashOption } from './input.ts'
import { type ChainName, pathsOf } from './layout.ts'
import { openNames } from './names.ts'

/**
 * Rows 6 and 13: enters a party with its key; a key is made where there is none, except on Fabric.
 *
 * @throws CliError
 */
export async function registerParty(
  values: Record<string, unknown>,
  chain: ChainName,
  kind: string,
  name: string,
): Promise<number> {
  if (!(PARTY_KINDS as readonly string[]).includes(kind))
    throw new CliError('usage', `"${kind}" is no kind of party: ${PARTY_KINDS.join(', ')}`)
  const names = openNames(federationDir(values))
  const id = names.id('party', name)
  const { file, key, isNew } = await withChain(values, chain, async open => {
    const paths = pathsOf(federationDir(values), chain.country)
    const file = textOf(values, 'key') ?? keyFileOf(open.config, paths, fileNameOf(name))
    // Identities of Fabric are issued by the CA of an organisation.
    if (open.config.kind !== 'fabric' && !existsSync(file)) return { file, key: makeKey(file), isNew: true }
    return { file, key: await open.accountOf(readSigner(open.config, file)), isNew: false }
  })
  const country = textOf(values, 'of') ?? chain.country
  const act = hashOption(values, 'act') ?? hashText(`${name}, registered as ${kind} without an act`)
  return perform(values, chain, 'registerParty', [{ id, kind: kind as PartyKind, country, key, act }], {
    names,
    json: { party: id, key, keyFile: file },
    lines: [`  ${name} is ${id}`, `  its key is ${isNew ? 'new, ' : ''}in ${file}`],
  })
}

function makeKey(file: string): string {
  if (!file.endsWith('.key')) throw new CliError('usage', `${file} is not there; a new key goes into a file NAME.key`)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  return loadKey(dirname(file), file.slice(dirname(file).length + 1, -'.key'.length), randomBytes).address
}

/** Of any name a file name. */
const fileNameOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 60) || 'party'
