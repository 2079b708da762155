import { existsSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { LedgerError } from '#ledger/error.ts'
import type { RuleChain, RuleEvent } from '#ledger/rule-chain.ts'
import type { StixObject } from '#product/commitment.ts'
import { versionDocument } from '#product/version-document.ts'
import type { Logger } from '../open-log.ts'
import { writeWhole } from '../whole-file.ts'
import type { Documents } from './documents.ts'
import type { ChainKind } from './layout.ts'
import type { CollectionName } from './node.ts'

/** A document that a chain has the commitment of, or a version that it has, and the collection that it belongs into. */
type Due = { collection: CollectionName } & ({ commitment: string } | { version: string; registered: number })

/** Commitments whose documents have not come yet: more are not waited for. */
const MOST_MISSING = 10_000
/** What is waited for is looked for when something has come; this often where nothing tells of it. */
const AGAIN_MS = 60_000

/** What an event of a chain is the occasion to publish. */
async function dueOf(chain: RuleChain, { name, subject, status, time }: RuleEvent): Promise<Due[]> {
  const due = (collection: CollectionName, commitment: string | undefined): Due[] =>
    commitment === undefined ? [] : [{ commitment, collection }]
  switch (name) {
    case 'ArtifactRegistered':
      return due('artifacts', (await chain.get('artifact', subject)).value?.description)
    case 'VersionRegistered':
      return [{ version: subject, registered: time, collection: 'artifacts' }]
    case 'CertificateIssued':
    case 'CertificateImported':
    case 'ConformityDeclared':
      return due('certificates', (await chain.get('certificate', subject)).value?.document)
    case 'SchemeAdopted': {
      // Certificates are of the version that was in force when they were issued.
      const newest = (await chain.get('scheme', subject)).value
      const numbers = Array.from({ length: newest?.version ?? 0 }, (_, i) => i + 1)
      const versions = await Promise.all(numbers.map(n => chain.get('scheme', `${subject}@${n}`)))
      return versions.flatMap(({ value }) => due('schemes', value?.document))
    }
    case 'VulnerabilityDisclosed':
      return due('advisories', status)
    default:
      return []
  }
}

export type PublishingOptions = {
  country: string
  /** The country's own chains. */
  chains: ReadonlyMap<ChainKind, RuleChain>
  documents: Pick<Documents, 'read'>
  /** What people call an id; undefined where nobody here knows it. */
  nameOf(id: string): string | undefined
  /** Milliseconds since 1970. */
  now(): number
  /** MUST resolve only once they are stored; to publish one again is no change. */
  publish(collection: CollectionName, documents: readonly StixObject[]): Promise<void>
  /** Where it is kept how far each chain was read. */
  file: string
  log: Logger
}
export type Publishing = {
  /** Publishes what is new. @returns how many documents */
  round(): Promise<number>
  /** A file has come, or a name: the next round looks for what was missing. */
  changed(): void
}

type Progress = { read: Record<string, number>; missing: Due[] }

/**
 * Puts the documents of a country into its collections: each once its chain has the commitment, so that nothing is public that does not count, and
 * none is forgotten by whoever is killed. A document that is not here is waited for.
 */
export function createPublishing(options: PublishingOptions): Publishing {
  const { country, chains, documents, nameOf, now, publish, file, log } = options
  const progress: Progress = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Progress)
    : { read: {}, missing: [] }

  /** What is new on a chain, up to its newest final block. */
  async function look(kind: ChainKind, chain: RuleChain): Promise<{ due: Due[]; final: number } | undefined> {
    const { final } = await chain.head()
    const fromBlock = (progress.read[kind] ?? -1) + 1
    if (fromBlock > final) return undefined
    const due: Due[] = []
    for (const event of await chain.history({ fromBlock, toBlock: final })) due.push(...(await dueOf(chain, event)))
    return { due, final }
  }

  /** Told once of each, however often it is looked at. */
  const said = new Map<string, string>()
  /** A report may be any file, and then it is nothing for a collection. */
  async function find(due: Due): Promise<StixObject | 'none' | undefined> {
    const of = 'commitment' in due ? due.commitment : due.version
    try {
      return 'commitment' in due ? documents.read(due.commitment) : await findVersion(due)
    } catch (error) {
      if (error instanceof LedgerError) throw error
      const reason = (error as Error).message
      if (said.get(of) !== reason) log('info', 'what a chain has the hash of is not published', { country, of, reason })
      said.set(of, reason)
      return 'none'
    }
  }

  /** The document of a version follows from the chain, once its names are known here and the document of its artifact. */
  async function findVersion({ version: id, registered }: { version: string; registered: number }) {
    const name = nameOf(id)
    const chain = chains.get('artifact')
    const version = name === undefined ? undefined : (await chain?.get('version', id))?.value
    const artifact = version && (await chain?.get('artifact', version.artifact))?.value
    const document = artifact && documents.read(artifact.description)
    if (name === undefined || version === undefined || document === undefined) return undefined
    const names = { name, fixes: version.fixes.map(fixed => nameOf(fixed) ?? fixed) }
    return versionDocument({ ...version, id, registered }, document, names)
  }

  /** When what is missing is looked for again. */
  let again = 0

  return {
    async round() {
      const read = { ...progress.read }
      const isTime = now() >= again
      if (isTime) again = now() + AGAIN_MS
      const due = isTime ? [...progress.missing] : []
      for (const [kind, chain] of chains) {
        const found = await look(kind, chain)
        if (!found) continue
        due.push(...found.due)
        read[kind] = found.final
      }
      if (due.length === 0 && isDeepStrictEqual(read, progress.read)) return 0
      const missing: Due[] = isTime ? [] : [...progress.missing]
      const ready = new Map<CollectionName, Map<string, StixObject>>()
      let published = 0
      try {
        for (const one of due) {
          const document = await find(one)
          if (document === undefined) missing.push(one)
          else if (document !== 'none')
            ready.set(
              one.collection,
              (ready.get(one.collection) ?? new Map()).set(
                'commitment' in one ? one.commitment : one.version,
                document,
              ),
            )
        }
        for (const [collection, found] of ready) {
          await publish(collection, [...found.values()])
          published += found.size
        }
      } catch (error) {
        again = 0
        throw error
      }
      if (missing.length > MOST_MISSING)
        log('warn', 'documents that never came are not waited for any longer', {
          country,
          count: missing.length - MOST_MISSING,
        })
      // A crash before this publishes the same documents again, which changes nothing.
      const next: Progress = { read, missing: missing.slice(-MOST_MISSING) }
      if (JSON.stringify(next) !== JSON.stringify(progress)) writeWhole(file, `${JSON.stringify(next)}\n`)
      Object.assign(progress, next)
      return published
    },
    changed() {
      again = 0
    },
  }
}
