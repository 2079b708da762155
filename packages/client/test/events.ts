import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { formatRecord, type LogRecord, RECORD_PREFIX, recordCommitment } from '@entente/verify/proof'
import { encodeBase64 } from '@entente/verify/tlog'
import { testSeed } from '../../verify/test/sample.ts'
import { indicators } from './fake.ts'

export const COLLECTION = '91a7b528-80eb-42ed-a74d-c6fbd5a26116'

/** The text of an event with an indicator, the same in every run. */
export function eventText(
  seq: number,
  { logIndex = seq, more = {} }: { logIndex?: number; more?: object } = {},
): string {
  const [object] = indicators(1, seq)
  const record = {
    api_root: '/api/',
    collection: COLLECTION,
    date_added: `2026-01-01T00:00:00.${String(seq).padStart(6, '0')}Z`,
    salt: Buffer.from(testSeed(`salt ${seq}`)).toString('base64url'),
    seq,
    submitter: Buffer.from(testSeed('submitter')).toString('base64url'),
    id: object?.id,
    object: { ...object, ...more },
    version: object?.['modified'],
  } as LogRecord
  const text = formatRecord(record)
  const commitment = encodeBase64(recordCommitment(text))
  return `{"event":"added","origin":"fake.example/log","api_root":"/api/","collection":"${COLLECTION}","log_index":${logIndex},"seq":${seq},"commitment":"${commitment}","proof":"/api/collections/${COLLECTION}/records/${seq}/proof/","record":${text.slice(RECORD_PREFIX.length)}}`
}

/** An event as a server sends it. */
export const frame = (seq: number): string => `id: ${seq}\nevent: added\ndata: ${eventText(seq)}\n\n`

/** A connection as the fake server saw it. */
export type Connected = {
  request: IncomingMessage
  response: ServerResponse
  lastId: string | undefined
  from: string | null
}

/** A server of events that does with each connection, in turn, what the test says; the last for all that follow. */
export async function startEvents(
  t: TestContext,
  ...answers: ((connected: Connected) => void)[]
): Promise<{ url: string; connections: Connected[]; closed: () => number }> {
  const connections: Connected[] = []
  let closed = 0
  const server = createServer((request, response) => {
    response.on('close', () => closed++)
    const from = new URL(request.url ?? '/', 'http://fake').searchParams.get('from')
    const connected = { request, response, lastId: request.headers['last-event-id'] as string | undefined, from }
    connections.push(connected)
    const answer = answers[Math.min(connections.length, answers.length) - 1]
    answer?.(connected)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/collections/${COLLECTION}/feed/`
  return { url, connections, closed: () => closed }
}

export const begin = ({ response }: Connected): ServerResponse => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  return response
}

/** The JSON of an event with another content, and everything around it made to fit: only the log tells that it never had it. */
export function forgeEvent(text: string): string {
  const event = JSON.parse(text)
  event.record.object.pattern = "[file:name = 'harmless']"
  event.commitment = encodeBase64(recordCommitment(formatRecord(event.record)))
  return JSON.stringify(event)
}
