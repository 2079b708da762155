// HTTP as bytes: what no client library would send, and what it would hide of the answer.
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type RawAnswer = { status: number; headers: Record<string, string>; text: string; json: any }
export type RawOptions = {
  /** How many answers to wait for. */
  answers?: number
  /** After this the connection is cut, and what came so far is returned. */
  timeoutMs?: number
  /** Pause between the parts. */
  pauseMs?: number
  /** Ends the sending side after the last part. */
  end?: boolean
}

/** Sends the parts over a connection of its own until an answer is there. @returns the answers, in order; fewer where the connection ended before */
export async function sendRaw(
  url: string,
  parts: Iterable<string | Uint8Array>,
  options: RawOptions = {},
): Promise<RawAnswer[]> {
  const { answers = 1, timeoutMs = 20_000, pauseMs = 0, end = false } = options
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const received: Buffer[] = []
  let closed = false
  socket.on('data', d => received.push(d as Buffer))
  const done = new Promise<void>(resolve => {
    const finish = () => {
      closed = true
      resolve()
    }
    socket.on('error', finish).on('close', finish)
    let length = 0
    let needed = 0
    socket.on('data', d => {
      length += d.length
      if (length < needed) return
      const parsed = parseAnswers(Buffer.concat(received))
      needed = parsed.needed
      if (parsed.answers.length >= answers) finish()
    })
    socket.setTimeout(timeoutMs, finish)
  })
  for (const part of parts) {
    if (closed) break
    if (!socket.write(part)) await Promise.race([drained(socket), done])
    if (pauseMs > 0) await sleep(pauseMs)
  }
  if (end) socket.end()
  await done
  socket.destroy()
  return parseAnswers(Buffer.concat(received)).answers
}

const drained = (socket: Socket) => new Promise<void>(resolve => void socket.once('drain', resolve))

/** Whole answers at the beginning of what was received. Content-Length or nothing: this server frames every answer so. */
function parseAnswers(bytes: Buffer): { answers: RawAnswer[]; needed: number } {
  const answers: RawAnswer[] = []
  let needed = 0
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) break
    const [first = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1])
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    const start = end + 4
    const length = Number(headers['content-length'] ?? 0)
    needed = start + length
    if (bytes.length < needed) break
    at = start + length
    if (status === 100) continue
    const text = bytes.toString('utf8', start, at)
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {}
    answers.push({ status, headers, text, json })
  }
  return { answers, needed }
}

/** A request's head and body as one text, with what every request needs unless `headers` says otherwise; undefined leaves a field out. */
export function rawRequest(
  method: string,
  target: string,
  headers: Record<string, string | undefined>,
  body: string | Uint8Array = '',
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body)
  const fields = {
    Host: 'localhost',
    ...(bytes.length > 0 ? { 'Content-Length': String(bytes.length) } : {}),
    ...headers,
  }
  const lines = Object.entries(fields).filter(([, value]) => value !== undefined)
  const head = `${method} ${target} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes])
}
