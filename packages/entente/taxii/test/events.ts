// A consumer of server-sent events as anybody would write it from the WHATWG's text, without anything of ours: what it understands is what browsers do.
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { basic, type User } from './server.ts'

export type ServerEvent = { type: string; data: any; lastEventId: string }

export type EventStream = {
  status: number
  headers: IncomingHttpHeaders
  /** All events so far. */
  events: ServerEvent[]
  /** Lines that are comments. */
  comments: number
  lastEventId: string
  retry: number | undefined
  /** Of an answer that is no stream. */
  text: string
  /** Resolves once there are so many events, or the condition holds; rejects when the stream ends before, or after ten seconds. */
  until(wanted: number | (() => boolean)): Promise<ServerEvent[]>
  readonly isOpen: boolean
  ended: Promise<void>
  pause(): void
  resume(): void
  close(): void
}

export type StreamOptions = {
  user?: User | (string & {}) | null
  headers?: Record<string, string | undefined>
  /** Whatever certificate the server has. */
  insecure?: true
}

export function openEvents(url: string, path: string, options: StreamOptions = {}): Promise<EventStream> {
  const { user = 'both' } = options
  const wanted = {
    accept: 'text/event-stream',
    ...(user === null ? {} : { authorization: basic(user, `${user}-password`) }),
    ...options.headers,
  }
  const headers = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
  const { protocol, hostname, port } = new URL(url)
  const asked = {
    hostname,
    port,
    path,
    headers,
    agent: false as const,
    ...(options.insecure ? { rejectUnauthorized: false } : {}),
  }
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(asked, response => {
      const waiting = new Set<() => void>()
      let isOpen = true
      const stream: EventStream = {
        status: response.statusCode as number,
        headers: response.headers,
        events: [],
        comments: 0,
        lastEventId: '',
        retry: undefined,
        text: '',
        until: condition => {
          const isDone = () => (typeof condition === 'number' ? stream.events.length >= condition : condition())
          return new Promise((done, fail) => {
            const give = (error?: Error) => {
              waiting.delete(look)
              clearTimeout(timer)
              if (error) fail(error)
              else done(stream.events)
            }
            const timer = setTimeout(
              () => give(new Error(`after ten seconds there are ${stream.events.length} events`)),
              10_000,
            )
            const look = () => {
              if (isDone()) give()
              else if (!isOpen) give(new Error(`the stream ended with ${stream.events.length} events`))
            }
            waiting.add(look)
            look()
          })
        },
        get isOpen() {
          return isOpen
        },
        ended: new Promise(done =>
          response.on('close', () => {
            isOpen = false
            done()
            for (const look of waiting) look()
          }),
        ),
        pause: () => void response.pause(),
        resume: () => void response.resume(),
        close: () => void response.destroy(),
      }
      readLines(response, line => {
        take(stream, line)
        for (const look of waiting) look()
      })
      response.on('error', () => {})
      if (response.headers['content-type']?.startsWith('text/event-stream')) resolve(stream)
      else void stream.ended.then(() => resolve(stream))
    })
    request.on('error', reject)
    request.end()
  })
}

function readLines(response: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = ''
  response.setEncoding('utf8')
  response.on('data', (text: string) => {
    const lines = (rest + text).split(/\r\n|\n|\r/)
    rest = lines.pop() as string
    for (const line of lines) onLine(line)
  })
}

const fields = new WeakMap<EventStream, { type: string; data: string[]; id: string }>()

/** WHATWG HTML section 9.2.6, a line at a time. */
function take(stream: EventStream, line: string): void {
  const known = fields.get(stream) ?? { type: '', data: [], id: '' }
  fields.set(stream, known)
  stream.text += line
  if (line === '') {
    stream.lastEventId = known.id
    if (known.data.length > 0)
      stream.events.push({
        type: known.type || 'message',
        data: JSON.parse(known.data.join('\n')),
        lastEventId: known.id,
      })
    known.type = ''
    known.data = []
    return
  }
  const colon = line.indexOf(':')
  if (colon === 0) {
    stream.comments++
    return
  }
  const name = colon < 0 ? line : line.slice(0, colon)
  const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
  if (name === 'event') known.type = value
  else if (name === 'data') known.data.push(value)
  else if (name === 'id' && !value.includes('\0')) known.id = value
  else if (name === 'retry' && /^\d+$/.test(value)) stream.retry = Number(value)
}
