import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseTimestamp } from '@entente/stix'
import { writtenVersion } from '#notary/record.ts'
import { formatMicros } from '#notary/time.ts'
import type { RecordRow } from '#store/store.ts'
import type { Principal } from './auth/auth.ts'
import {
  type Deletion,
  findTarget,
  noteRead,
  requireRead,
  requireWrite,
  type Target,
  type TaxiiContext,
} from './context.ts'
import { TaxiiError } from './errors.ts'
import { readEnvelope } from './intake.ts'
import { checkAccept, checkContentType, STIX, TAXII, sendJson } from './media.ts'
import { OPERATIONS } from './operations.ts'
import { confirmPage } from './confirm.ts'
import { findVisible, keepVisible, type Page, readPage, selectVersions, withReplaced } from './pages.ts'
import { type Allowed, formatNext, parseQuery, type Query } from './query.ts'
import { toStatusResource } from './status.ts'
import { toNotFound } from './server.ts'

/** Larger bodies are worked on one after the other: each costs a multiple of its size while it is. */
const LARGE_BODY = 1_048_576
/** What a DELETE may carry: it means nothing. */
const BODY_OF_NOTHING = 4096
const LIST: Allowed = { fields: ['id', 'type', 'version', 'spec_version'], paging: true }
const OBJECT: Allowed = { fields: ['version', 'spec_version'], paging: true }
const VERSIONS: Allowed = { fields: ['spec_version'], paging: true }
const DELETE: Allowed = { fields: ['version', 'spec_version'], paging: false }

export type Resolve = (request: FastifyRequest) => Target

/** The resources of TAXII 2.1 sections 5.3 to 5.8 below one collection. */
export function objectRoutes(app: FastifyInstance, context: TaxiiContext, base: string, resolve: Resolve): void {
  const limits = { page: context.config.page, maxPage: context.config.maxPage }
  const query = (request: FastifyRequest, allowed: Allowed) => parseQuery(queryString(request), allowed, limits)
  const readTarget = (request: FastifyRequest) => {
    const target = resolve(request)
    requireRead(target)
    return target
  }

  // 5.4 Get Objects
  app.get(`${base}objects/`, { config: { operation: OPERATIONS.objects } }, async (request, reply) => {
    checkAccept(request.headers.accept)
    const target = readTarget(request)
    const asked = query(request, LIST)
    const page = await readPage(context, target, asked)
    if (asked.byLedger) await confirmPage(context, target, reply, page)
    noteRead(context, request, target, 'objects', seqsOf(page))
    return sendEnvelope(reply, page)
  })

  // 5.5 Add Objects
  const onRequest = async (request: FastifyRequest) => {
    checkAccept(request.headers.accept)
    requireWrite(resolve(request))
    checkContentType(request.headers['content-type'], request.headers['content-encoding'])
  }
  app.post(`${base}objects/`, { onRequest, config: { operation: OPERATIONS.addObjects } }, async (request, reply) => {
    const body = request.body as Buffer
    const add = () => addObjects(context, resolve(request), request, body)
    return sendJson(reply.code(202), TAXII, await (body.length > LARGE_BODY ? context.memory.inTurn(add) : add()))
  })

  // 5.3 Get Object Manifests
  app.get(`${base}manifest/`, { config: { operation: OPERATIONS.manifest } }, async (request, reply) => {
    checkAccept(request.headers.accept, [TAXII, STIX])
    const target = readTarget(request)
    const page = await readPage(context, target, query(request, LIST))
    const objects = page.items.map(({ row }) => ({
      id: row.id,
      date_added: formatMicros(row.added),
      version: toVersion(row),
      media_type: mediaType(row),
    }))
    setPageHeaders(reply, page)
    return sendJson(reply, TAXII, { ...more(page), ...(objects.length > 0 ? { objects } : {}) })
  })

  // 5.6 Get an Object
  app.get<{ Params: { objectId: string } }>(
    `${base}objects/:objectId/`,
    { config: { operation: OPERATIONS.object } },
    async (request, reply) => {
      checkAccept(request.headers.accept)
      const target = readTarget(request)
      const asked = query(request, OBJECT)
      const page = await readObject(context, target, request.params.objectId, asked)
      if (asked.byLedger) await confirmPage(context, target, reply, page)
      noteRead(context, request, target, 'object', seqsOf(page))
      return sendEnvelope(reply, page)
    },
  )

  // 5.8 Get Object Versions
  app.get<{ Params: { objectId: string } }>(
    `${base}objects/:objectId/versions/`,
    { config: { operation: OPERATIONS.versions } },
    async (request, reply) => {
      checkAccept(request.headers.accept)
      const target = readTarget(request)
      const all = { ...query(request, VERSIONS), versions: { all: true, last: false, first: false, exact: [] } }
      const page = await readObject(context, target, request.params.objectId, all)
      const versions = page.items.map(({ row }) => toVersion(row))
      setPageHeaders(reply, page)
      return sendJson(reply, TAXII, { ...more(page), ...(versions.length > 0 ? { versions } : {}) })
    },
  )

  // 5.7 Delete an Object: the default of match[version] applies, so without it only the newest version goes (section 3.4.1)
  const deleting = { bodyLimit: BODY_OF_NOTHING, config: { operation: OPERATIONS.deleteObject } }
  app.delete<{ Params: { objectId: string } }>(`${base}objects/:objectId/`, deleting, async (request, reply) => {
    checkAccept(request.headers.accept)
    const target = resolve(request)
    if (!target.read || !target.write)
      throw new TaxiiError(403, 'forbidden', 'deleting needs the right to read and to write')
    const { versions, specs } = query(request, DELETE)
    const deletion = {
      root: target.root.path,
      collection: target.config.id,
      id: request.params.objectId,
      versions,
      specs,
    }
    const asked = { ...deletion, principal: request.principal }
    const found = await (context.remove ? context.remove(asked) : removeObject(context, asked))
    if (found === 0) throw await toNotFound(context, target)
    return reply.code(200).type(TAXII).send()
  })
}

/**
 * Deletes versions of an object, on the server that writes: which there are is decided there.
 *
 * @returns how many versions went
 * @throws TaxiiError 403 `held`, 404, 500 `integrity`; NotaryError
 */
export async function removeObject(context: TaxiiContext, deletion: Deletion): Promise<number> {
  const { id, versions, specs, principal } = deletion
  const root = context.config.apiRoots.find(r => r.path === deletion.root)
  if (!root) throw new TaxiiError(404, 'not-found', 'the server that writes has no such API root')
  const target = findTarget(context, root, deletion.collection, principal)
  let found = 0
  await context.notary.submit({
    ...submission(context, target, principal),
    objects: [],
    failed: [],
    erase: {
      id,
      whole: versions.all,
      versions: async rows => {
        const visible = await keepVisible(context, target, rows)
        const chosen = selectVersions(rows, versions, specs).filter(row => visible.includes(row))
        const selected = withReplaced(visible, chosen)
        await checkHold(context, target, selected)
        found = selected.length
        return selected
      },
    },
  })
  return found
}

/** Who asks for what is written now, and where. */
const submission = (context: TaxiiContext, target: Target, principal: Principal) => ({
  statusId: context.newId(),
  collection: target.number,
  apiRoot: target.root.path,
  submitter: principal.name,
  // What is said of stored contents may be of any of them.
  mayRead: target.read && !target.sees,
  requested: context.notary.clock(),
  repost: target.config.repost,
})

/** @returns the status resource */
async function addObjects(
  context: TaxiiContext,
  target: Target,
  request: FastifyRequest,
  body: Buffer,
): Promise<Record<string, unknown>> {
  const { validation, onConflict, forward } = target.config
  const { objects, failed, channels } = await readEnvelope(body, {
    maxBytes: context.config.maxContentLength,
    policy: validation,
    isStix: checkContentType(request.headers['content-type']) === 'application/stix+json',
    known: ids => context.notary.store.known(target.number, ids),
    // A message about a translation tells something of what it translates.
    stored: target.read ? (id, version) => readStored(context, target, id, version) : undefined,
  })
  const row = await context.notary.submit({
    ...submission(context, target, request.principal),
    objects,
    failed,
    onConflict,
    channels,
    forward,
  })
  return toStatusResource(context, target.config, row)
}

/** What is stored under an id, in this version or the newest, if it is what was logged, and the caller may see it. */
async function readStored(
  { notary }: TaxiiContext,
  { number, sees }: Target,
  id: string,
  version: string | undefined,
): Promise<Record<string, unknown> | undefined> {
  const sought = { id, version: version && parseTimestamp(version)?.normalized }
  const [found] = await Array.fromAsync(notary.store.lookups(number, [sought], 0))
  const row = found?.[0]?.same.findLast(r => r.leaf < notary.log.size)
  const opened = row && (await notary.reader.open(row))
  if (!row || !opened?.ok || sees?.(row, opened) === false) return undefined
  return JSON.parse(opened.object.toString())
}

/** One object by id: unlike a list it is never served in part. */
async function readObject(context: TaxiiContext, target: Target, id: string, query: Query): Promise<Page> {
  const page = await readPage(context, target, { ...query, ids: [id], types: undefined })
  if (page.withheld > 0) {
    // Whether a damaged object may be seen can't be told.
    if (target.sees && page.items.length === 0) throw await toNotFound(context, target)
    throw new TaxiiError(
      500,
      'integrity',
      'the stored object does not match the log: it is not served. The operator has been alerted; ask for a copy from a backup or another source',
    )
  }
  if (page.items.length === 0 && (await findVisible(context, target, id)).length === 0)
    throw await toNotFound(context, target)
  return page
}

/**
 * Refuses where one of the rows is still held; nothing goes then. A row's date is believed only with its content, which the log knows.
 *
 * @throws TaxiiError 403 `held`; 500 `integrity` where that can't be told
 */
async function checkHold(context: TaxiiContext, target: Target, rows: RecordRow[]): Promise<void> {
  const { hold } = target.config
  if (!hold) return
  let until = 0
  for (const row of rows) {
    if ('for' in hold && !(await context.notary.reader.open(row)).ok)
      throw new TaxiiError(
        500,
        'integrity',
        "the stored object does not match the log, so since when it is held can't be told: it is not deleted",
      )
    until = Math.max(until, 'for' in hold ? row.added + hold.for : hold.until)
  }
  if (until <= context.notary.clock()) return
  throw new TaxiiError(
    403,
    'held',
    `this collection holds its objects: this one can be deleted from ${formatMicros(until)} on`,
  )
}

const HEAD = Buffer.from('{"objects":[')
const MORE_HEAD = (next: number) => Buffer.from(`{"more":true,"next":"${formatNext(next)}","objects":[`)
const COMMA = 0x2c
const TAIL = Buffer.from(']}')
const EMPTY = Buffer.from('{}')

/** The envelope (section 3.7), concatenated from the stored bytes. */
function sendEnvelope(reply: FastifyReply, page: Page): FastifyReply {
  setPageHeaders(reply, page)
  reply.type(TAXII)
  if (page.items.length === 0 && page.next === undefined) return reply.send(EMPTY)
  const head = page.next === undefined ? HEAD : MORE_HEAD(page.next)
  let length = head.length + TAIL.length + Math.max(0, page.items.length - 1)
  for (const { object } of page.items) length += object.length
  const body = Buffer.allocUnsafe(length)
  let at = head.copy(body)
  for (let i = 0; i < page.items.length; i++) {
    if (i > 0) body[at++] = COMMA
    at += (page.items[i] as { object: Buffer }).object.copy(body, at)
  }
  TAIL.copy(body, at)
  return reply.send(body)
}

/** Section 3.2; on an empty page there is no first or last to name. */
function setPageHeaders(reply: FastifyReply, page: Page): void {
  const first = page.items[0]
  const last = page.items.at(-1)
  if (first && last) {
    reply.header('X-TAXII-Date-Added-First', formatMicros(first.row.added))
    reply.header('X-TAXII-Date-Added-Last', formatMicros(last.row.added))
  }
  if (page.withheld > 0) reply.header('X-Entente-Withheld', String(page.withheld))
}

const seqsOf = (page: Page) => page.items.map(({ row }) => row.seq)
const more = (page: Page) => (page.next === undefined ? {} : { more: true, next: formatNext(page.next) })
const toVersion = (row: RecordRow) =>
  writtenVersion({ version: row.version as string, versionDigits: row.versionDigits })
const mediaType = (row: RecordRow) => `application/stix+json;version=${row.spec ?? '2.1'}`
export const queryString = (request: FastifyRequest) => {
  const at = request.url.indexOf('?')
  return at < 0 ? '' : request.url.slice(at + 1)
}
