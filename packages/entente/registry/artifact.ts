import {
  type Entities,
  type Hash,
  type Id,
  type Label,
  labelId,
  type LabelStatus,
  type Support,
  type VersionInput,
} from '@entente/rules'
import { type VerifiedDocument, verifyDocument } from '#product/commitment.ts'
import type { Reading, RuleChain } from '#ledger/rule-chain.ts'
import { type Action, actionOf, readTogether, type Snapshot } from './action.ts'
import { createParties, type Parties } from './parties.ts'

/** A version of an artifact, by its id. */
export type KnownVersion = Entities['version'] & { id: Id }
/** What somebody says of a version and a vulnerability, and has said before. */
export type Said = { vulnerability: Id; by: Id; now: Label; before: Label[] }

/** The artifact chain of a state: rows 13 to 16. */
export interface ArtifactRegistry extends Parties {
  register(id: Id, description: Hash): Action
  registerVersion(artifact: Id, id: Id, version: VersionInput): Action
  /** What CSA Article 55 asks for; what was said before stays. */
  setSupport(artifact: Id, support: Support): Action
  label(version: Id, vulnerability: Id, status: LabelStatus, justification?: Hash): Action
  artifact(id: Id, block?: number): Promise<Reading<Entities['artifact'] | undefined>>
  version(id: Id, block?: number): Promise<Reading<Entities['version'] | undefined>>
  /** All versions and patches, in the order in which they were registered. */
  versionsOf(artifact: Id, block?: number): Promise<Reading<KnownVersion[]>>
  /** All that was said under Article 55, the newest last. */
  supportOf(artifact: Id, block?: number): Promise<Reading<Support[]>>
  /** What everybody says of a version. */
  labelsOf(version: Id, block?: number): Promise<Reading<Said[]>>
  /** The document that describes an artifact. Throws ProductError `commitment` where it is not what the chain has. */
  describe(id: Id, document: unknown): Promise<Reading<VerifiedDocument | undefined>>
}

/**
 * @example
 * const artifacts = createArtifactRegistry(chain)
 * await artifacts.register(id, commitDocument(document)).run()
 * const { value, level, block } = await artifacts.versionsOf(id)
 */
export const createArtifactRegistry = (chain: RuleChain): ArtifactRegistry => ({
  ...createParties(chain),
  register: (id, description) => actionOf(chain, 'registerArtifact', id, description),
  registerVersion: (artifact, id, version) => actionOf(chain, 'registerVersion', artifact, id, version),
  setSupport: (artifact, support) => actionOf(chain, 'setSupport', artifact, support),
  label: (version, vulnerability, status, justification) =>
    justification === undefined
      ? actionOf(chain, 'label', version, vulnerability, status)
      : actionOf(chain, 'label', version, vulnerability, status, justification),
  artifact: (id, block) => chain.get('artifact', id, block),
  version: (id, block) => chain.get('version', id, block),
  versionsOf: (artifact, block) => readTogether(chain, block, at => readVersions(at, artifact)),
  supportOf: (artifact, block) => readTogether(chain, block, at => readSupport(at, artifact)),
  labelsOf: (version, block) => readTogether(chain, block, at => readLabels(at, version)),
  async describe(id, document) {
    const reading = await chain.get('artifact', id)
    return { ...reading, value: reading.value && verifyDocument(document, reading.value.description) }
  },
})

async function readVersions({ get, history }: Snapshot, artifact: Id): Promise<KnownVersion[]> {
  const events = (await history({ about: artifact })).filter(event => event.name === 'VersionRegistered')
  const found = await Promise.all(
    events.map(async ({ subject: id }) => {
      const version = await get('version', id)
      return version?.artifact === artifact ? { ...version, id } : undefined // an event is a hint, no more
    }),
  )
  return found.filter(version => version !== undefined)
}

async function readSupport({ get }: Snapshot, artifact: Id): Promise<Support[]> {
  const newest = await get('artifact', artifact)
  const before = Array.from({ length: newest?.history ?? 0 }, (_, n) => get('artifact', `${artifact}#${n}`))
  return [...(await Promise.all(before)), newest].flatMap(one => (one?.support === undefined ? [] : [one.support]))
}

async function readLabels({ get, history }: Snapshot, version: Id): Promise<Said[]> {
  const events = (await history({ subject: version })).filter(event => event.name === 'VersionLabelled')
  const ids = [...new Map(events.map(({ about = '', by }) => [labelId(version, about, by), { about, by }]))]
  const said = await Promise.all(
    ids.map(async ([id, { about: vulnerability, by }]) => {
      const now = await get('label', id)
      if (now === undefined) return undefined
      const before = Array.from({ length: now.count - 1 }, (_, n) => get('label', `${id}#${n + 1}`))
      return { vulnerability, by, now, before: (await Promise.all(before)).filter(label => label !== undefined) }
    }),
  )
  return said.filter(one => one !== undefined)
}
