import { TlogError } from './error.ts'
import { equalHashes } from './hash.ts'
import { COSIGNATURE_V1, ED25519, parseVkey, type VerifierKey } from './vkey.ts'

/** At least `threshold` of the members must have cosigned: witnesses, or groups of them. */
export type WitnessGroup = { threshold: number; members: readonly (Witness | WitnessGroup)[] }
/** `key` is undefined where this library can't verify its kind of signature: to it such a witness never has cosigned. */
type Witness = { key: VerifierKey | undefined }

/** tlog-policy: whose checkpoints are taken, and which witnesses must have cosigned them. */
export type WitnessPolicy = {
  logs: VerifierKey[]
  witnesses: VerifierKey[]
  /** undefined for `quorum none` */
  quorum: WitnessGroup | undefined
}

const MAX_LENGTH = 1_048_576

/** Have those who cosigned the group's threshold? */
export function isWitnessedBy(group: WitnessGroup, cosigners: readonly VerifierKey[]): boolean {
  const agreed = group.members.filter(member =>
    'members' in member ? isWitnessedBy(member, cosigners) : member.key !== undefined && cosigners.includes(member.key),
  )
  return agreed.length >= group.threshold
}

/**
 * Read a tlog-policy file. Logs and witnesses with keys of a kind that this library does not know are taken, and count as not there.
 *
 * @throws TlogError `malformed` with the number of the line; `policy` where one key stands twice, or is of the wrong kind
 * @example
 * parseWitnessPolicy(`log ${vkey}\nwitness a ${a}\nwitness b ${b}\ngroup both all a b\nquorum both\n`)
 */
export function parseWitnessPolicy(text: string): WitnessPolicy {
  if (text.length > MAX_LENGTH) throw new TlogError('malformed', `a policy of ${text.length} characters`)
  const logs = createKeys(ED25519, 'log')
  const witnesses = createKeys(COSIGNATURE_V1, 'witness')
  const names = new Map<string, Witness | WitnessGroup>()
  const grouped = new Set<string>()
  let quorum: { group: WitnessGroup | undefined } | undefined

  const define = (name: string | undefined, what: Witness | WitnessGroup) => {
    if (name === undefined || name === 'none' || names.has(name)) throw broken(`${name} can't be a name here`)
    names.set(name, what)
  }
  const find = (name: string): Witness | WitnessGroup => {
    const found = names.get(name)
    if (!found) throw broken(`${name} is not defined on a line before`)
    return found
  }
  const readLine = (keyword: string, words: string[]): void => {
    if (keyword === 'log') {
      if (words.length < 1 || words.length > 2) throw broken('a log has a verifier key, and perhaps a URL')
      logs.add(words[0]!)
    } else if (keyword === 'witness') {
      if (words.length < 2 || words.length > 3) throw broken('a witness has a name, a verifier key, and perhaps a URL')
      define(words[0], { key: witnesses.add(words[1]!) })
    } else if (keyword === 'group') {
      const [name, threshold = '', ...members] = words
      const twice = members.find((member, i) => grouped.has(member) || members.indexOf(member) !== i)
      if (twice !== undefined) throw broken(`${twice} is a member of a group already`)
      define(name, { threshold: readThreshold(threshold, members.length), members: members.map(find) })
      for (const member of members) grouped.add(member)
    } else if (keyword === 'quorum') {
      if (quorum || words.length !== 1) throw broken('a policy has one quorum, of one name')
      const what = words[0] === 'none' ? undefined : find(words[0]!)
      quorum = { group: what && 'key' in what ? { threshold: 1, members: [what] } : what }
    } else throw broken(`${keyword.slice(0, 40)} is none of log, witness, group, quorum`)
  }
  for (const [i, line] of text.split('\n').entries()) {
    // tlog-policy, "Character set": no control characters but tab and line feed
    if (/[^\t -\u007e\u0080-\uffff]/.test(line)) throw new TlogError('malformed', `line ${i + 1}: a control character`)
    const [keyword, ...words] = line.split(/[ \t]/).filter(word => word !== '')
    if (keyword === undefined || keyword.startsWith('#')) continue
    try {
      readLine(keyword, words)
    } catch (cause) {
      if (!(cause instanceof TlogError)) throw cause
      throw new TlogError(cause.code, `line ${i + 1}: ${cause.message}`, { cause })
    }
  }
  if (!quorum) throw broken('a policy needs a line "quorum <name>", or "quorum none"')
  return { logs: logs.known, witnesses: witnesses.known, quorum: quorum.group }
}

/** The keys of one kind; each public key may stand once, under whatever name. */
function createKeys(algorithm: number, what: string) {
  const known: VerifierKey[] = []
  const unknown = new Set<string>()
  return {
    known,
    add: (vkey: string): VerifierKey | undefined => {
      const key = parseKnown(vkey)
      if (key === undefined) {
        const material = vkey.slice(vkey.indexOf('+', vkey.indexOf('+') + 1))
        if (unknown.has(material)) throw new TlogError('policy', `one key is there twice: ${vkey.slice(0, 80)}`)
        unknown.add(material)
        return undefined
      }
      if (key.algorithm !== algorithm)
        throw new TlogError('policy', `the key ${key.name} is of type ${key.algorithm}, a ${what} has ${algorithm}`)
      const twin = known.find(other => equalHashes(other.publicKey, key.publicKey))
      if (twin) throw new TlogError('policy', `${twin.name} and ${key.name} have one key`)
      known.push(key)
      return key
    },
  }
}

function parseKnown(vkey: string): VerifierKey | undefined {
  try {
    return parseVkey(vkey)
  } catch (error) {
    if (error instanceof TlogError && error.code === 'unsupported') return undefined
    throw error
  }
}

function readThreshold(text: string, members: number): number {
  if (members === 0) throw broken('a group has at least one member')
  if (text === 'any') return 1
  if (text === 'all') return members
  const threshold = /^[1-9][0-9]{0,6}$/.test(text) ? Number(text) : 0
  if (threshold < 1 || threshold > members)
    throw broken(`a threshold of ${text.slice(0, 40)} of ${members}: any, all, or 1 to ${members}`)
  return threshold
}

const broken = (message: string) => new TlogError('malformed', message)
