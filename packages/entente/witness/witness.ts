import {
  COSIGNATURE_V1,
  createCosigner,
  createVerifierKey,
  EMPTY_ROOT,
  ED25519,
  equalHashes,
  formatNote,
  formatVkey,
  type NoteSignature,
  type NoteSigner,
  parseAddCheckpoint,
  parseNote,
  parseVkey,
  readCheckpoint,
  rootsFromConsistency,
  signNote,
  TlogError,
  type VerifierKey,
  verifyConsistency,
  verifyNote,
} from '@entente/verify/tlog'
import { WitnessError } from './error.ts'
import type { Cosigned, WitnessedLog, WitnessState } from './state.ts'

/** An answer to add-checkpoint (C2SP tlog-witness). */
export type WitnessAnswer = { status: 200 | 400 | 403 | 404 | 409 | 422; type: string; body: string }

export type WitnessOptions = {
  /** Name of the witness and of its key: a URL without a scheme. */
  name: string
  /** 32 bytes, Ed25519; of no other witness and no log: a cosignature does not bind the name. */
  publicKey: Uint8Array
  sign: (message: Uint8Array) => Uint8Array
  state: WitnessState
  /** Logs besides those of the state. */
  logs?: readonly WitnessedLog[]
  /** Milliseconds since 1970. Default: `Date.now`. */
  now?: () => number
  /** Told of logs that signed what they can't both have, or that show what does not continue what they showed. */
  alert?: (message: string, evidence: Misconduct) => void
  /** For tests: called around the one durable write. */
  fault?: (point: 'before-persist' | 'after-persist') => void
}

/** What a log signed that does not continue what it signed before. `fork` where the two convict it by themselves (docs/formats.md 12). */
export type Misconduct = {
  origin: string
  vkey: string
  shown: string
  remembered: string
  fork: { root?: Uint8Array; consistency?: readonly Uint8Array[] } | undefined
}

/** Watches the checkpoints of other people's logs: cosigns those that continue what it saw before. */
export type Witness = {
  readonly vkey: string
  /** The body of a request to add-checkpoint, and what is answered. */
  add(body: Uint8Array): WitnessAnswer
  /** The newest checkpoint that was cosigned, of the log whose origin has this SHA-256 in hex. */
  checkpoint(hash: string): string | undefined
  logs(): (WitnessedLog & { size: number | undefined; at: number | undefined })[]
}

const TEXT = 'text/plain; charset=utf-8'
const FORKED = 'a log has forked: its key signed two histories'
const NOT_CONTINUED = 'a log shows a checkpoint, and no proof that it continues what was cosigned'

/**
 * A witness as C2SP tlog-witness has it, with Ed25519 cosignatures (tlog-cosignature). It holds nothing but its state: all that is cosigned was
 * compared and made durable there before.
 *
 * @throws WitnessError `log` for a key that is none of a log
 */
export function createWitness(options: WitnessOptions): Witness {
  const { name, publicKey, state, now = Date.now, alert, fault } = options
  const own = createVerifierKey(name, COSIGNATURE_V1, publicKey)
  const signer: NoteSigner = { name, keyId: own.keyId, sign: options.sign }
  const configured = options.logs ?? []
  for (const log of configured) readLogKey(log.vkey)

  const logs = (): WitnessedLog[] => {
    const added = state.logs().filter(a => !configured.some(c => c.vkey === a.vkey && c.origin === a.origin))
    return [...configured, ...added]
  }
  const keysOf = (origin: string): VerifierKey[] =>
    logs()
      .filter(log => log.origin === origin)
      .map(log => readLogKey(log.vkey))

  /** In the order of tlog-witness: what is asked, of which log, signed by it, from where, and whether it continues what was seen. */
  function add(body: Uint8Array): WitnessAnswer {
    const request = attempt(() => read(body))
    if (request instanceof TlogError) return refuse(400, request.message)
    const { oldSize, proof, note, checkpoint } = request
    const { origin, size, root } = checkpoint

    const keys = keysOf(origin)
    if (keys.length === 0) return refuse(404, `unknown log: ${origin.slice(0, 200)}`)
    const verified = attempt(() => verifyNote(note, keys))
    if (verified instanceof TlogError) return refuse(403, `invalid signature: ${verified.message}`)

    if (oldSize > size) return refuse(400, `the old size ${oldSize} is beyond the size ${size}`)
    const latest = state.latest(origin)
    if (oldSize !== (latest?.size ?? 0)) return conflict(latest)
    const broken = attempt(() => {
      if (size === 0 && !equalHashes(root, EMPTY_ROOT))
        throw new TlogError('inconsistent', 'the root at size 0 is not that of the empty tree')
      verifyConsistency(oldSize, size, proof, latest?.root ?? EMPTY_ROOT, root)
    })
    if (broken instanceof TlogError) {
      if (latest) {
        const fork = provenFork(latest, { size, root, proof })
        const vkey = formatVkey(verified.signatures[0]!.key)
        alert?.(fork ? FORKED : NOT_CONTINUED, { origin, vkey, shown: note, remembered: latest.note, fork })
      }
      return refuse(422, `bad consistency proof: ${broken.message}`)
    }

    // Only signatures that were verified are kept and shown: of the log's, and this witness's own.
    const at = now()
    const cosigned = signNote(verified.text, createCosigner(signer, BigInt(Math.floor(at / 1000))))
    const line = cosigned.slice(verified.text.length + 1)
    const kept = keys.flatMap(key => {
      const isOf = (s: NoteSignature) => key.name === s.name && equalHashes(key.keyId, s.keyId)
      return parseNote(note).signatures.find(isOf) ?? []
    })
    fault?.('before-persist')
    // A crash here: nothing was cosigned for anybody, and the log asks again.
    const next = { origin, size, root, note: formatNote({ text: verified.text, signatures: kept }) + line, at }
    if (!state.advance(latest, next)) return conflict(state.latest(origin))
    fault?.('after-persist')
    // A crash here: the log asks again, learns the size from a 409, and gets a cosignature of what is durable now.
    return { status: 200, type: TEXT, body: line }
  }

  return {
    vkey: formatVkey(own),
    add,
    checkpoint: hash => state.byHash(hash)?.note,
    logs: () =>
      logs().map(log => {
        const latest = state.latest(log.origin)
        return { ...log, size: latest?.size, at: latest?.at }
      }),
  }
}

/**
 * Two checkpoints of one size with two roots convict a log. So does a proof that leads to the new root from another old one; where it leads nowhere,
 * it may only be a bad proof.
 */
function provenFork(old: Cosigned, shown: { size: number; root: Uint8Array; proof: Uint8Array[] }): Misconduct['fork'] {
  const { size, root, proof } = shown
  if (size === old.size) return equalHashes(old.root, root) ? undefined : {}
  if (old.size === 0) return undefined
  const found = attempt(() => rootsFromConsistency(old.size, old.root, size, proof))
  const leadsElsewhere =
    !(found instanceof TlogError) && equalHashes(found.root, root) && !equalHashes(found.oldRoot, old.root)
  return leadsElsewhere ? { root: found.oldRoot, consistency: proof } : undefined
}

/**
 * The key of a log that may be witnessed.
 *
 * @throws WitnessError `log`
 */
export function readLogKey(vkey: string): VerifierKey {
  try {
    const key = parseVkey(vkey)
    if (key.algorithm === ED25519) return key
    throw new TlogError('unsupported', `${key.name} is a key of type ${key.algorithm}, a log has 1`)
  } catch (cause) {
    throw new WitnessError('log', `not the key of a log: ${(cause as Error).message}`, { cause })
  }
}

function read(body: Uint8Array) {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch (cause) {
    throw new TlogError('malformed', 'the request is not UTF-8', { cause })
  }
  const { oldSize, proof, checkpoint: note } = parseAddCheckpoint(text)
  return { oldSize, proof, note, checkpoint: readCheckpoint(parseNote(note).text) }
}

/** The value, or the TlogError that stands in its way. */
function attempt<T>(verify: () => T): T | TlogError {
  try {
    return verify()
  } catch (error) {
    if (error instanceof TlogError) return error
    throw error
  }
}

const refuse = (status: 400 | 403 | 404 | 422, message: string): WitnessAnswer => ({
  status,
  type: TEXT,
  body: `${message}\n`,
})

const conflict = (latest: Cosigned | undefined): WitnessAnswer => ({
  status: 409,
  type: 'text/x.tlog.size',
  body: `${latest?.size ?? 0}\n`,
})
