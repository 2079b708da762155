import { formatCoseReceipt } from '@entente/verify/cose'
import {
  consistencyProof,
  formatTlogProof,
  hashLeaf,
  inclusionProof,
  parseCheckpoint,
  parseNote,
  parseTilePath,
  parseVkey,
  tileWidth,
} from '@entente/verify/tlog'
import { formatHeadsEntry, headsMapPath, headsMapRoot, readLogKeys, type WithheldReason } from '@entente/verify/proof'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { CosignedHead } from '#notary/cosigned.ts'
import { toHeads } from '#notary/growth.ts'
import type { Collection } from '#notary/log.ts'
import { recordJson } from '#notary/record.ts'
import type { Opened } from '#notary/reader.ts'
import { entryOf } from '#notary/tiles.ts'
import type { AnchorRow, RecordRow, StoredHead } from '#store/store.ts'
import { noteRead, requireRead, type Target, type TaxiiContext } from './context.ts'
import { TaxiiError } from './errors.ts'
import { checkAccept, COSE, PROOF, RECORDS, TAXII, sendJson } from './media.ts'
import type { Resolve } from './objects.ts'
import { type Operation, OPERATIONS } from './operations.ts'
import { keepVisible, selectVersions, textBytes } from './pages.ts'
import { parseQuery } from './query.ts'
import { toNotFound } from './server.ts'

/** The public log (C2SP tlog-tiles): hashes and checkpoints, nothing of any content, so no credentials. */
export function logRoutes(app: FastifyInstance, context: TaxiiContext): void {
  const { notary } = context
  const anyone = (operation: Operation) => ({ config: { anyone: true, operation } })

  // The newest, which is never smaller than one that somebody saw before; `?witnessed` the newest with a quorum of cosignatures (docs/decisions/0018-witnesses.md).
  app.get<{ Querystring: { witnessed?: string } }>(
    '/log/checkpoint',
    anyone(OPERATIONS.checkpoint),
    async (request, reply) => {
      const isWitnessed = request.query.witnessed !== undefined
      const { head } = notary.log
      const note = isWitnessed ? context.witnessing?.head()?.note : head && (await context.cosigned(head)).note
      if (note === undefined)
        throw new TaxiiError(
          404,
          'not-found',
          `the log has no checkpoint yet${isWitnessed ? ' that a quorum of witnesses has cosigned' : ''}`,
        )
      return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-cache').send(note)
    },
  )

  app.get('/log/key', anyone(OPERATIONS.key), async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(`${context.vkey}\n`),
  )

  app.get('/log/keys', anyone(OPERATIONS.keys), async (_request, reply) => {
    const { origin, vkeys, successions } = readLogKeys(context.vkey, context.successions)
    return sendJson(reply, 'application/json', { format: 'entente/keys/v1', origin, keys: vkeys, successions })
  })

  app.get('/log/continuations', anyone(OPERATIONS.continuations), async (_request, reply) => {
    const { origin } = notary.log
    const continuations = context.continuations ?? []
    return sendJson(reply, 'application/json', { format: 'entente/continuations/v1', origin, continuations })
  })

  app.get('/log/ledgers', anyone(OPERATIONS.ledgers), async (_request, reply) =>
    sendJson(reply, 'application/json', await context.pins()),
  )

  app.get<{ Params: { '*': string } }>('/log/tile/*', anyone(OPERATIONS.tile), async (request, reply) => {
    const data = await readTile(context, `tile/${request.params['*']}`)
    if (!data) throw new TaxiiError(404, 'not-found', 'the log has no such tile')
    return reply
      .type('application/octet-stream')
      .header('cache-control', 'public, max-age=31536000, immutable')
      .send(Buffer.from(data))
  })
}

/** Tiles and bundles are served as they are stored: whoever reads them checks them. A partial one is the beginning of what is there. */
async function readTile(context: TaxiiContext, path: string): Promise<Uint8Array | undefined> {
  let parsed: ReturnType<typeof parseTilePath>
  try {
    parsed = parseTilePath(path)
  } catch {
    return undefined
  }
  const { level, index, width } = parsed
  const { notary } = context
  const hashLevel = level === 'entries' ? 0 : level
  if (width > tileWidth(hashLevel, index, notary.log.size)) return undefined
  if (level !== 'entries') return (await notary.store.tile(0, level, index))?.subarray(0, width * 32)
  const bundle = await notary.store.entryBundle(index)
  let end = 0
  for (let i = 0; bundle && i < width; i++) end += 2 + (((bundle[end] as number) << 8) | (bundle[end + 1] as number))
  return bundle?.subarray(0, end)
}

/** Proofs and records of one collection (docs/formats.md 7, 9, 10). */
export function evidenceRoutes(app: FastifyInstance, context: TaxiiContext, base: string, resolve: Resolve): void {
  const { notary } = context
  const limits = { page: context.config.page, maxPage: context.config.maxPage }

  /** The row of the version that a request names, the newest where it names none. */
  async function findObject(target: Target, id: string, url: string): Promise<RecordRow> {
    const { versions, specs } = parseQuery(
      url.split('?')[1] ?? '',
      { fields: ['version', 'spec_version'], paging: false },
      limits,
    )
    const stored = await notary.store.versions(target.number, id)
    const published = stored.filter(r => r.leaf < notary.log.size)
    const row = selectVersions(published, versions, specs).at(-1)
    if (!row || (await keepVisible(context, target, [row])).length === 0) throw await toNotFound(context, target)
    return row
  }

  async function sendProof(request: FastifyRequest, reply: FastifyReply, target: Target, row: RecordRow) {
    const { isVisible, text } = await recordProof(context, target, row)
    if (isVisible) noteRead(context, request, target, 'proof', [row.seq])
    return sendJson(reply, PROOF, text)
  }

  app.get<{ Params: { objectId: string } }>(
    `${base}objects/:objectId/proof/`,
    { config: { operation: OPERATIONS.objectProof } },
    async (request, reply) => {
      checkAccept(request.headers.accept, [PROOF, TAXII])
      const target = readable(resolve(request))
      const row = await findObject(target, request.params.objectId, request.url)
      return sendProof(request, reply, target, row)
    },
  )

  app.get<{ Params: { objectId: string } }>(
    `${base}objects/:objectId/receipt/`,
    { config: { operation: OPERATIONS.objectReceipt } },
    async (request, reply) => {
      checkAccept(request.headers.accept, [COSE, TAXII])
      const target = readable(resolve(request))
      const row = await findObject(target, request.params.objectId, request.url)
      return reply.type(COSE).send(Buffer.from(await coseReceipt(context, target, row)))
    },
  )

  // Of any record, by its place: that of a deletion above all, which has no id.
  app.get<{ Params: { seq: string } }>(
    `${base}records/:seq/proof/`,
    { config: { operation: OPERATIONS.recordProof } },
    async (request, reply) => {
      checkAccept(request.headers.accept, [PROOF, TAXII])
      const target = readable(resolve(request))
      const seq = integer('the number of the record', request.params.seq, 0)
      if (seq >= (notary.log.collections.get(target.number)?.count ?? 0))
        throw new TaxiiError(404, 'not-found', `the collection has no record ${seq}`)
      const [row] = await notary.store.records(target.number, { from: seq, limit: 1, text: 'all' })
      if (row?.seq === seq && row.text === null && (await notary.reader.isErased(row)))
        throw new TaxiiError(404, 'not-found', `record ${seq} was erased: a later record says so`)
      if (row?.seq !== seq)
        throw new TaxiiError(500, 'integrity', `record ${seq} is missing from the store. The operator has been alerted`)
      return sendProof(request, reply, target, row)
    },
  )

  app.get(`${base}proof/`, { config: { operation: OPERATIONS.collectionProof } }, async (request, reply) => {
    checkAccept(request.headers.accept, [PROOF, TAXII])
    const target = readable(resolve(request))
    return sendJson(reply, PROOF, await collectionProof(context, target))
  })

  app.get<{ Querystring: { from?: string; limit?: string } }>(
    `${base}records/`,
    { config: { operation: OPERATIONS.records } },
    async (request, reply) => {
      checkAccept(request.headers.accept, [RECORDS, TAXII])
      const target = readable(resolve(request))
      const from = integer('from', request.query.from, 0)
      const limit = Math.min(integer('limit', request.query.limit, limits.page), limits.maxPage)
      if (limit === 0) throw new TaxiiError(400, 'query', 'limit is 0: it is a positive whole number')
      const count = notary.log.collections.get(target.number)?.count ?? 0
      const maxBytes = context.memory.pageBytes()
      const rows = await notary.store.records(target.number, { from, limit, maxBytes, text: 'all' })
      const bySeq = new Map(rows.filter(r => r.leaf < notary.log.size).map(r => [r.seq, r]))
      const end = Math.min(count, textBytes(rows) > maxBytes ? (rows.at(-1) as RecordRow).seq + 1 : from + limit)
      const parts: string[] = []
      const given: number[] = []
      let seq = from
      for (; seq < end; seq++) {
        const { isWhole, text } = await recordOrReason(context, target, bySeq.get(seq), seq)
        parts.push(text)
        if (isWhole) given.push(seq)
      }
      noteRead(context, request, target, 'records', given)
      const next = seq < count ? `"more":true,"next":${seq},` : ''
      return sendJson(reply, RECORDS, `{${next}"records":[${parts.join(',')}]}`)
    },
  )
}

/** docs/formats.md 7; of a record that the caller may not see, that it is there. @throws TaxiiError 500 `integrity` */
async function recordProof(
  context: TaxiiContext,
  target: Target,
  row: RecordRow,
): Promise<{ isVisible: boolean; text: string }> {
  const opened = await openRow(context, row)
  const { head, rows } = await bestCheckpoint(context, target, row.leaf + 1)
  const anchors = await anchorsFrom(context, head.size, rows)
  const log = await tlogProof(context, row.leaf, head)
  const isVisible = target.sees?.(row, opened) ?? true
  const what = isVisible
    ? `"kind":"object","record":${recordJson(opened.text)}`
    : `"kind":"withheld","record":${withheldRecord(row.seq, opened.commitment, 'access')}`
  const text = `{"format":"entente/proof/v1",${what},"log":${JSON.stringify(log)},"anchors":${JSON.stringify(anchors)}}`
  return { isVisible, text }
}

async function openRow(context: TaxiiContext, row: RecordRow): Promise<Opened> {
  const opened = await context.notary.reader.open(row)
  if (opened.ok) return opened
  context.damage.note(row, opened.reason)
  throw new TaxiiError(500, 'integrity', 'the stored record does not match the log: there is no proof of it')
}

/** docs/formats.md 13: under the checkpoint of the proof, so that the key signs no root that it has not signed before. */
async function coseReceipt(context: TaxiiContext, target: Target, row: RecordRow): Promise<Uint8Array> {
  await openRow(context, row)
  const { head } = await bestCheckpoint(context, target, row.leaf + 1)
  const { size, root } = parseCheckpoint(parseNote(head.note).text)
  const path = await context.notary.log.tiles.prove(reader => inclusionProof(row.leaf, size, reader))
  return formatCoseReceipt({ key: parseVkey(context.vkey), index: row.leaf, size, path, root }, context.sign)
}

const readable = (target: Target): Target => {
  requireRead(target)
  return target
}

/** A record, or its commitment and why it is not here. */
async function recordOrReason(
  context: TaxiiContext,
  target: Target,
  row: RecordRow | undefined,
  seq: number,
): Promise<{ isWhole: boolean; text: string }> {
  const { notary } = context
  if (row?.text) {
    const opened = await notary.reader.open(row)
    if (opened.ok && (target.sees?.(row, opened) ?? true)) return { isWhole: true, text: recordJson(opened.text) }
    if (opened.ok) return { isWhole: false, text: withheldRecord(seq, opened.commitment, 'access') }
    context.damage.note(row, opened.reason)
  }
  const reason = row && !row.text && (await notary.reader.isErased(row)) ? 'deleted' : 'integrity'
  const commitment = row ? await commitmentAt(context, row.leaf) : await findCommitment(context, target, seq)
  return { isWhole: false, text: withheldRecord(seq, commitment, reason) }
}

/** docs/formats.md 10. */
const withheldRecord = (seq: number, commitment: Buffer, reason: WithheldReason): string =>
  JSON.stringify({ seq, commitment: commitment.toString('base64'), reason })

/** The commitment of a record whose row is gone: its leaf hash is in the collection's tree, and its entry in the log between its neighbours'. */
async function findCommitment(context: TaxiiContext, target: Target, seq: number): Promise<Buffer> {
  const { store, log } = context.notary
  const tile = await store.tile(target.number, 0, Math.floor(seq / 256))
  const wanted = Buffer.from(tile?.subarray((seq % 256) * 32, (seq % 256) * 32 + 32) ?? [])
  const [before] = seq === 0 ? [] : await store.records(target.number, { from: seq - 1, limit: 1, text: 'none' })
  const [after] = await store.records(target.number, { from: seq, limit: 1, text: 'none' })
  const start = before && before.seq < seq ? before.leaf + 1 : 0
  for (let leaf = start; leaf < (after?.leaf ?? log.size); leaf++) {
    const commitment = await commitmentAt(context, leaf)
    if (Buffer.from(hashLeaf(commitment)).equals(wanted)) return commitment
  }
  throw new TaxiiError(
    500,
    'integrity',
    `record ${seq} is missing from the store, and its entry could not be found in the log`,
  )
}

async function commitmentAt(context: TaxiiContext, leaf: number): Promise<Buffer> {
  return entryOf(await context.notary.log.tiles.bundle(Math.floor(leaf / 256)), leaf % 256)
}

async function tlogProof(context: TaxiiContext, index: number, head: StoredHead): Promise<string> {
  const path = await context.notary.log.tiles.prove(reader => inclusionProof(index, head.size, reader))
  return formatTlogProof({ index, proof: path, checkpoint: head.note })
}

/**
 * The checkpoint to prove under, and what each of the collection's ledgers has. Of every ledger it is the first anchor that covers `size`, a
 * final one where there is one; where no quorum of witnesses has cosigned that, because it is older than they are, the newest. Before any is
 * anchored it is the newest that a quorum has cosigned, or the newest of all.
 */
async function bestCheckpoint(context: TaxiiContext, target: Target, size: number): Promise<Anchored> {
  const { store, log } = context.notary
  const { witnessing } = context
  const first = await anchoredCheckpoint(context, target, size, async ledger => {
    return (await store.anchorCovering(ledger, size, true)) ?? (await store.anchorCovering(ledger, size))
  })
  if (first && (!witnessing || isWitnessed(witnessing, first.head))) return first
  const newest =
    first &&
    (await anchoredCheckpoint(context, target, size, async ledger => {
      return (await store.anchors({ ledger, final: true, limit: 1 }))[0]
    }))
  if (newest && witnessing && isWitnessed(witnessing, newest.head)) return newest
  if (first) return first
  const cosigned = witnessing?.head()
  if (cosigned && cosigned.size >= size) return { head: cosigned, rows: [] }
  return { head: await context.cosigned(log.head as StoredHead), rows: [] }
}

/** A checkpoint, and the anchors of it or of later ones; no ledger was asked for them yet. */
type Anchored = { head: StoredHead; rows: AnchorRow[] }

const isWitnessed = ({ states, quorum }: NonNullable<TaxiiContext['witnessing']>, { by }: CosignedHead): boolean =>
  states().filter(({ vkey }) => by.includes(vkey)).length >= quorum

/** The smallest of what the ledgers have, with each anchor. */
async function anchoredCheckpoint(
  context: TaxiiContext,
  target: Target,
  size: number,
  find: (ledger: string) => Promise<AnchorRow | undefined>,
): Promise<(Anchored & { head: CosignedHead }) | undefined> {
  const { store, log } = context.notary
  const found = await Promise.all(target.config.ledgers.map(find))
  const rows = found.filter(row => row !== undefined && row.size >= size && row.size <= log.size) as AnchorRow[]
  const smallest = Math.min(...rows.map(row => row.size))
  const note = rows.length > 0 ? await store.checkpoint(smallest) : undefined
  if (!note) return undefined
  return { head: await context.cosigned({ size: smallest, note }), rows }
}

/** Each anchor as evidence for the checkpoint of `size`: larger ones come with the proof that they continue it. */
async function anchorsFrom(context: TaxiiContext, size: number, rows: readonly AnchorRow[]): Promise<unknown[]> {
  const anchors = await Promise.all(rows.map(row => anchorFrom(context, size, row)))
  return anchors.filter(anchor => anchor !== undefined)
}

/** An anchor as evidence for the checkpoint of `size`; undefined while nobody can say on which chain it is. */
async function anchorFrom(context: TaxiiContext, size: number, row: AnchorRow): Promise<unknown> {
  const evidence = await context.evidence(row)
  if (!evidence || row.size === size) return evidence
  const path = await context.notary.log.tiles.prove(reader => consistencyProof(size, row.size, reader))
  return { ...evidence, consistency: path.map(hash => Buffer.from(hash).toString('base64')) }
}

/** docs/formats.md 9, under the newest checkpoint: what the collection holds now. */
async function collectionProof(context: TaxiiContext, target: Target): Promise<Record<string, unknown>> {
  const { notary } = context
  // One turn of the event loop, so head and collections belong together.
  const head = notary.log.head as StoredHead
  const heads = toHeads(notary.log.collections)
  const own = notary.log.collections.get(target.number) as Collection
  const anchors = []
  for (const ledger of target.config.ledgers) {
    const row = await notary.store.anchorCovering(ledger, head.size)
    const evidence = row?.size === head.size ? await context.evidence(row) : undefined
    if (evidence) anchors.push(evidence)
  }
  return {
    format: 'entente/proof/v1',
    kind: 'collection',
    api_root: target.root.path,
    collection: target.config.id,
    count: own.count,
    root: Buffer.from(own.root).toString('base64'),
    map_path: headsMapPath(heads, own.key).map(h => Buffer.from(h).toString('base64')),
    heads: formatHeadsEntry({ collections: heads.length, root: headsMapRoot(heads) }),
    log: await tlogProof(context, head.size - 1, await context.cosigned(head)),
    anchors,
  }
}

function integer(name: string, text: string | string[] | undefined, standard: number): number {
  if (text === undefined) return standard
  if (Array.isArray(text)) throw new TaxiiError(400, 'query', `${name} is given ${text.length} times: give it once`)
  if (!/^\d{1,15}$/.test(text))
    throw new TaxiiError(400, 'query', `${name} is ${JSON.stringify(text.slice(0, 40))}: it is a whole number`)
  return Number(text)
}
