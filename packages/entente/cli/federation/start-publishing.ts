import { mkdirSync, watch } from 'node:fs'
import type { RuleChain } from '#ledger/rule-chain.ts'
import { createRounds } from '#notary/rounds.ts'
import type { Logger } from '../open-log.ts'
import type { OpenChain } from './chains.ts'
import type { Country } from './config.ts'
import { openDocuments } from './documents.ts'
import type { ChainKind } from './layout.ts'
import { NAMES, openNames } from './names.ts'
import type { Node } from './node.ts'
import { createPublishing } from './publishing.ts'

/** After a failure, doubled with each further one. */
const WAIT_MS = 500
const MOST_WAIT_MS = 60_000

/** Puts the documents of a country into its node's collections, as its chains come to have their commitments. @returns how to stop it */
export async function startPublishing(
  dir: string,
  { config: { country, facts }, paths }: Country,
  chains: readonly OpenChain[],
  node: Node,
  { log, now }: { log: Logger; now: () => number },
): Promise<() => Promise<void>> {
  const read = new Map<ChainKind, RuleChain>()
  for (const chain of chains) read.set(chain.name.kind, await chain.as())
  let names: ReturnType<typeof openNames> | undefined
  const publishing = createPublishing({
    country,
    chains: read,
    documents: openDocuments(dir, country),
    nameOf: id => (names ??= openNames(dir)).known(id),
    now,
    publish: async (name, documents) => void (await node.collection(name).add(documents)),
    file: paths.published,
    log,
  })

  mkdirSync(paths.documents, { recursive: true, mode: 0o700 })
  const watchers = [
    watchFolder(paths.documents, publishing.changed),
    watchFolder(dir, file => {
      if (file !== NAMES && file !== null) return
      names = undefined
      publishing.changed()
    }),
  ]

  let failures = 0
  let next = 0
  /** Told once, until it works again or fails otherwise. */
  let said: string | undefined
  const round = async () => {
    if (now() < next) return
    await publishing.round()
    failures = 0
    said = undefined
  }
  const failed = (error: Error) => {
    next = now() + Math.min(WAIT_MS * 2 ** failures++, MOST_WAIT_MS)
    if (said !== error.message)
      log('warn', 'documents could not be published: tried again until it works', { country, error: error.message })
    said = error.message
  }
  const rounds = createRounds(round, facts.intervalMs, failed)
  rounds.start()
  return async () => {
    for (const close of watchers) close()
    await rounds.close()
    await Promise.all([...read.values()].map(chain => chain.close()))
  }
}

/** Where files can't be watched, what is missing is looked for from time to time all the same. @returns how to stop it */
function watchFolder(folder: string, changed: (file: string | null) => void): () => void {
  try {
    const watcher = watch(folder, { persistent: false }, (_, file) => changed(file))
    watcher.on('error', () => watcher.close())
    return () => watcher.close()
  } catch {
    return () => {}
  }
}
