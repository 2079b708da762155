import { existsSync, readFileSync } from 'node:fs'
import { parseStrict } from '@entente/verify/json'
import {
  type PinnedBitcoin,
  type PinnedFabric,
  type PinnedLedger,
  type Trust,
  verifySuccession,
} from '@entente/verify/proof'
import { COSIGNATURE_V1, formatVkey, parseVkey, parseWitnessPolicy, TlogError } from '@entente/verify/tlog'
import { CliError } from './errors.ts'
import { integerOf, textOf } from './values.ts'

/** What the options say, or undefined where they name no key. @throws CliError `usage` */
export function readTrustOptions(values: Record<string, unknown>): Trust | undefined {
  const policy = readWitnessPolicy(values)
  const vkeys = [...new Set([...((values['key'] ?? []) as string[]).flatMap(readKeys), ...(policy?.logs ?? [])])]
  const witnesses = ((values['witness'] ?? []) as string[]).flatMap(readKeys)
  const pins = ((values['ledger-pin'] ?? []) as string[]).flatMap(readLedgerPins)
  const [ledgers, bitcoin, fabric] = [pins.filter(isContract), pins.filter(isBitcoin), pins.filter(isFabric)]
  if (vkeys.length === 0) {
    if (policy)
      throw new CliError('usage', 'the --witness-policy has no line "log": say with --key which log you believe')
    return undefined
  }
  const strange = witnesses.find(key => parseVkey(key).algorithm !== COSIGNATURE_V1)
  if (strange !== undefined) throw new CliError('usage', `--witness ${strange} is no key of a witness (type 4)`)
  const witnessQuorum = integerOf(values, 'quorum', 0) ?? 0
  if (witnessQuorum > witnesses.length)
    throw new CliError('usage', `--quorum is ${witnessQuorum}, and --witness names ${witnesses.length}`)
  const successions = readSuccessions(values)
  return {
    vkeys,
    ...(successions ? { successions } : {}),
    ledgers,
    bitcoin,
    fabric,
    ...(policy ? { witnessPolicy: policy.text } : { witnesses, witnessQuorum }),
  }
}

/** The statements of --successions: what /log/keys of a server gave. @throws CliError `usage` */
export function readSuccessions(values: Record<string, unknown>): string[] | undefined {
  const file = textOf(values, 'successions')
  if (file === undefined) return undefined
  try {
    const { successions } = parseStrict(readFileSync(file), { maxBytes: 1_048_576 }) as { successions?: unknown }
    if (!Array.isArray(successions)) throw new TypeError('it has no list "successions": save what /log/keys answers')
    for (const note of successions) verifySuccession(String(note))
    return successions as string[]
  } catch (cause) {
    throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/** The text of --witness-policy, and the keys of its logs. */
function readWitnessPolicy(values: Record<string, unknown>): { text: string; logs: string[] } | undefined {
  const file = textOf(values, 'witness-policy')
  if (file === undefined) return undefined
  if (values['witness'] !== undefined || values['quorum'] !== undefined)
    throw new CliError('usage', '--witness-policy says who the witnesses are: leave out --witness and --quorum')
  try {
    const text = readFileSync(file, 'utf8')
    return { text, logs: parseWitnessPolicy(text).logs.map(formatVkey) }
  } catch (cause) {
    throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
  }
}

/** Keys of a file, one a line, or the key itself. */
function readKeys(given: string): string[] {
  const lines = existsSync(given) ? readFileSync(given, 'utf8').split('\n') : [given]
  const keys = lines.map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'))
  if (keys.length === 0) throw new CliError('usage', `${given} holds no key`)
  for (const key of keys) {
    try {
      parseVkey(key)
    } catch (cause) {
      if (!(cause instanceof TlogError)) throw cause
      throw new CliError('usage', `${given} is neither a file nor a verifier key (name+id+key): ${cause.message}`, {
        cause,
      })
    }
  }
  return keys
}

type Pin = PinnedLedger | PinnedBitcoin | PinnedFabric
const isBitcoin = (pin: Pin): pin is PinnedBitcoin => 'minWork' in pin
const isFabric = (pin: Pin): pin is PinnedFabric => 'organizations' in pin
const isContract = (pin: Pin): pin is PinnedLedger => 'validators' in pin

/** Names as in an anchor of a proof (docs/formats.md 8). */
function readLedgerPins(file: string): Pin[] {
  let value: unknown
  try {
    value = parseStrict(readFileSync(file), { maxBytes: 1_048_576 })
  } catch (cause) {
    throw new CliError('usage', `${file}: ${(cause as Error).message}`, { cause })
  }
  return (Array.isArray(value) ? value : [value]).map(item => {
    const pin = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>
    if (pin['kind'] === 'bitcoin') return readBitcoinPin(file, pin)
    if (pin['kind'] === 'fabric') return readFabricPin(file, pin)
    const { chain_id: chainId, contract, log_id: logId, validators, consensus } = pin
    const isList = Array.isArray(validators) && validators.every(v => typeof v === 'string')
    if (typeof chainId !== 'number' || typeof contract !== 'string' || typeof logId !== 'string' || !isList)
      throw new CliError('usage', `${file}: a pin has chain_id, contract, log_id and a list of validators`)
    if (consensus !== undefined && consensus !== 'qbft' && consensus !== 'clique')
      throw new CliError('usage', `${file}: the consensus of a pin is ${String(consensus)}, qbft and clique are known`)
    return {
      chainId,
      contract,
      logId,
      validators: validators as string[],
      ...(consensus === undefined ? {} : { consensus }),
    }
  })
}

function readBitcoinPin(
  file: string,
  { chain_id: chainId, depth, min_work: minWork }: Record<string, unknown>,
): PinnedBitcoin {
  const isWork = typeof minWork === 'string' && /^0x[0-9a-f]{1,64}$/.test(minWork)
  if (typeof chainId !== 'string' || !Number.isSafeInteger(depth) || !isWork)
    throw new CliError(
      'usage',
      `${file}: a pin of Bitcoin has chain_id, depth and min_work (0x and hexadecimal digits)`,
    )
  return { chainId, depth: depth as number, minWork: BigInt(minWork) }
}

function readFabricPin(file: string, pin: Record<string, unknown>): PinnedFabric {
  const { chain_id: chainId, contract, log_id: logId, organizations, quorum } = pin
  const isQuorum = quorum === undefined || Number.isSafeInteger(quorum)
  if (
    typeof chainId !== 'string' ||
    typeof contract !== 'string' ||
    typeof logId !== 'string' ||
    !isQuorum ||
    !Array.isArray(organizations)
  )
    throw new CliError(
      'usage',
      `${file}: a pin of Fabric has chain_id, contract, log_id, organizations, and may have a quorum`,
    )
  return {
    chainId,
    contract,
    logId,
    ...(quorum === undefined ? {} : { quorum: quorum as number }),
    organizations: organizations.map((item: unknown) => {
      const { msp_id: mspId, certificates } = (typeof item === 'object' && item !== null ? item : {}) as Record<
        string,
        unknown
      >
      const isList = Array.isArray(certificates) && certificates.every(pem => typeof pem === 'string')
      if (typeof mspId !== 'string' || !isList)
        throw new CliError('usage', `${file}: an organisation has msp_id and certificates, a list of PEM texts`)
      return { mspId, certificates: certificates as string[] }
    }),
  }
}

/** A reader without a key: what to do. */
export function noKey(what: string): CliError {
  return new CliError(
    'usage',
    `${what} proves nothing without the log's key that you believe: give it with --key VKEY|FILE.
A server tells its own at /log/key (curl https://SERVER/log/key): compare it with what the operator publishes elsewhere,
or says on the phone, and keep it. A key that came with the evidence would prove only that they belong together.`,
  )
}
