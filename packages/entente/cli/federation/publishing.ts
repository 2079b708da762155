import { existsSync, readFileSync } from 'node:fs'
import type { RuleChain, RuleEvent } from '#ledger/rule-chain.ts'
import type { StixObject } from '#product/commitment.ts'
import type { Logger } from '../open-log.ts'
import { writeWhole } from '../whole-file.ts'
import type { Documents } from './documents.ts'
import type { ChainKind } from './layout.ts'
import type { CollectionName } from './node.ts'

/** A document that a chain has the commitment of, and the collection that it belongs into. */
type Due = { commitment: string; collection: CollectionName }

/** Commitments whose documents have not come yet: more are not waited for. */
const MOST_MISSING = 10_000

/** What an event of a chain is the occasion to publish. */
async function dueOf(chain: RuleChain, { name, subject, status }: RuleEvent): Promise<Due[]> {
  const due = (collection: CollectionName, commitment: string | undefined): Due[] =>
    commitment === undefined ? [] : [{ commitment, collection }]
  switch (name) {
    case 'ArtifactRegistered':
      return due('artifacts', (await chain.get('artifact', subject)).value?.description)
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
  /** MUST resolve only once they are stored; to publish one again is no change. */
  publish(collection: CollectionName, documents: readonly StixObject[]): Promise<void>
  /** Where it is kept how far each chain was read. */
  file: string
  log: Logger
}
export type Publishing = {
  /** Publishes what is new. @returns how many documents */
  round(): Promise<number>
}

type Progress = { read: Record<string, number>; missing: Due[] }

/**
 * Puts the documents of a country into its collections: each once its chain has the commitment, so that nothing is public that does not count, and
 * none is forgotten by whoever is killed. A document that is not here is waited for.
 */
export function createPublishing({ country, chains, documents, publish, file, log }: PublishingOptions): Publishing {
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

  /** A report may be any file, and then it is nothing for a collection. */
  function find({ commitment }: Due): StixObject | 'none' | undefined {
    try {
      return documents.read(commitment)
    } catch (error) {
      log('info', 'what a chain has the hash of is not published', {
        country,
        commitment,
        reason: (error as Error).message,
      })
      return 'none'
    }
  }

  return {
    async round() {
      const read = { ...progress.read }
      const due = [...progress.missing]
      for (const [kind, chain] of chains) {
        const found = await look(kind, chain)
        if (!found) continue
        due.push(...found.due)
        read[kind] = found.final
      }
      const missing: Due[] = []
      const ready = new Map<CollectionName, Map<string, StixObject>>()
      for (const one of due) {
        const document = find(one)
        if (document === undefined) missing.push(one)
        else if (document !== 'none')
          ready.set(one.collection, (ready.get(one.collection) ?? new Map()).set(one.commitment, document))
      }
      let published = 0
      for (const [collection, found] of ready) {
        await publish(collection, [...found.values()])
        published += found.size
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
  }
}
