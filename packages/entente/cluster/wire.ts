import { isContradiction, NotaryError, type NotaryErrorCode } from '#notary/errors.ts'
import { Moved } from '#notary/notary.ts'
import type { Request, SubmittedObject } from '#notary/sequence.ts'
import { type StatusRow, StoreError } from '#store/store.ts'
import type { Fault } from './link.ts'

/**
 * A request to add objects, as one server gives it to another: validated, and trusted because only servers have the key. A line of JSON, then a line for
 * each object: canonical JSON has no line feeds.
 */
export function formatRequest({ objects, ...rest }: Request): Buffer {
  const bare = objects.map(({ value: _value, canonical: _canonical, ...about }) => about)
  return Buffer.from([JSON.stringify({ ...rest, objects: bare }), ...objects.map(o => o.canonical)].join('\n'))
}

export function parseRequest(body: Buffer): Request {
  const [head = '', ...texts] = body.toString().split('\n')
  const request = JSON.parse(head) as Request
  const objects = request.objects.map((about, i): SubmittedObject => {
    const canonical = texts[i] as string
    return { ...about, version: about.version, canonical, value: JSON.parse(canonical) as Record<string, unknown> }
  })
  return { ...request, objects }
}

export const formatStatus = (row: StatusRow): Buffer => Buffer.from(JSON.stringify(row))
export const parseStatus = (body: Buffer): StatusRow => JSON.parse(body.toString()) as StatusRow

const MOVED = 'moved'

/** A store that fails there is no other than one that fails here; what contradicts the log there stops nobody here but by what is read here. */
export function toFault(error: unknown): Fault {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Moved) return { code: MOVED, message }
  const isOwn = error instanceof StoreError || isContradiction(error)
  if (!isOwn && error instanceof NotaryError) return { code: error.code, message }
  return { code: 'unavailable', message: isOwn ? 'the server that writes can not write' : message }
}

export const fromFault = ({ code, message }: Fault): NotaryError =>
  code === MOVED ? new Moved() : new NotaryError(code as NotaryErrorCode, message)
