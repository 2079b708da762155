import { COSIGNATURE_V1, parseVkey } from '@entente/verify/tlog'
import Type, { type Static, type TSchema } from 'typebox'
import { CliError } from './errors.ts'

const object = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Object(properties, { additionalProperties: false })
const Url = (description: string) => Type.String({ pattern: '^https?://', maxLength: 2000, description })
const Name = (description: string) => Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/:-]{0,199}$', description })

/** Keys of `log:` that say who cosigns its checkpoints. */
export const witnessKeys = {
  witnesses: Type.Array(
    object({
      vkey: Type.String({ description: 'Verifier key of the witness, of type 4: "entente witness key" of an Entente' }),
      url: Url('Submission prefix: add-checkpoint is below it (C2SP tlog-witness)'),
      monitoringUrl: Type.Optional(Url('Monitoring prefix, where it is another')),
    }),
    { default: [], maxItems: 32, description: 'Who is asked to cosign each checkpoint before it is anchored' },
  ),
  witnessQuorum: Type.Optional(
    Type.Integer({ minimum: 1, description: 'How many of them must have; more than half where it is left out' }),
  ),
  witnessIntervalMs: Type.Integer({
    minimum: 10,
    default: 500,
    description: 'Least time between two checkpoints that witnesses are shown',
  }),
  witnessTimeoutMs: Type.Integer({ minimum: 100, default: 5000, description: 'How long a witness may take to answer' }),
}

/** `witness:`, where this server is a witness of others' logs. */
export const WitnessSchema = object({
  name: Name('Name of the witness and its key: a host and path of yours, for ever'),
  keyFile: Type.Optional(
    Type.String({
      description: 'Ed25519, PKCS#8 PEM, of nothing else; witness.key in the state folder where it is left out',
    }),
  ),
  stateFolder: Type.String({
    default: './witness',
    description: 'What was cosigned: never put back to an older copy, so on another disk than the store if you can',
  }),
  logs: Type.Array(
    object({
      vkey: Type.String({ description: 'Verifier key of the log, of type 1' }),
      origin: Type.Optional(Name('Where it is not the name of the key')),
    }),
    { default: [], maxItems: 1000, description: 'Besides those of "entente witness add-log"' },
  ),
})

type LogWitnesses = { witnesses: readonly { vkey: string }[]; witnessQuorum?: number | undefined }

/** More than half, so that two quorums have a witness in common. */
export const quorumOf = ({ witnesses, witnessQuorum }: LogWitnesses): number =>
  witnessQuorum ?? Math.floor(witnesses.length / 2) + 1

/** @throws CliError `usage` for keys that are none of a witness, or stand twice, and a quorum that can't be reached */
export function checkWitnesses(log: LogWitnesses): void {
  const known = new Map<string, string>()
  for (const { vkey } of log.witnesses) {
    const key = asUsage('log.witnesses', () => parseVkey(vkey))
    if (key.algorithm !== COSIGNATURE_V1)
      throw new CliError('usage', `log.witnesses: ${key.name} is a key of type ${key.algorithm}, a witness has 4`)
    const publicKey = Buffer.from(key.publicKey).toString('hex')
    const twin = known.get(publicKey)
    if (twin !== undefined)
      throw new CliError('usage', `log.witnesses: ${twin} and ${key.name} have one key: that is one witness`)
    known.set(publicKey, key.name)
  }
  const { witnessQuorum } = log
  if (witnessQuorum !== undefined && witnessQuorum > log.witnesses.length)
    throw new CliError(
      'usage',
      `log.witnessQuorum is ${witnessQuorum}, and log.witnesses names ${log.witnesses.length}`,
    )
}

function asUsage<T>(where: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new CliError('usage', `${where}: ${(cause as Error).message}`, { cause })
  }
}

export type WitnessConfig = Static<typeof WitnessSchema>
