import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Side } from './client.ts'

const TAXII = 'application/taxii+json;version=2.1'
const STAMP = 'sent at '

export type PublishedObject = { name?: string }

/** When the object was sent, milliseconds since 1970; undefined of another one. */
export const readStamp = ({ name }: PublishedObject): number | undefined =>
  name?.startsWith(STAMP) ? Number(name.slice(STAMP.length)) : undefined

let made = 0
function stamped(): Record<string, unknown> {
  const n = (++made).toString(16).padStart(12, '0')
  const name = `${STAMP}${(performance.timeOrigin + performance.now()).toFixed(3)}`
  return {
    type: 'indicator',
    spec_version: '2.1',
    id: `indicator--00000000-0000-4000-8000-${n}`,
    created: '2026-01-01T00:00:00.000Z',
    modified: '2026-01-01T00:00:00.000Z',
    name,
    description:
      'An indicator of the usual size, which says where the file was seen, by whom, and what became of it then.',
    indicator_types: ['malicious-activity'],
    pattern: `[file:hashes.'SHA-256' = '${n.repeat(6).slice(0, 64)}']`,
    pattern_type: 'stix',
    valid_from: '2026-01-01T00:00:00Z',
  }
}

export type Paced = { posts: number; times: number[]; ms: number }

/** Posts envelopes of `objects` stamped objects at an even pace of `rate` objects a second, whatever the answers take. */
export async function publishPaced(
  side: Side,
  { rate, objects, seconds }: { rate: number; objects: number; seconds: number },
): Promise<Paced> {
  const agent = new Agent({ keepAlive: true })
  const posts = Math.round((rate * seconds) / objects)
  const every = (objects / rate) * 1000
  const times: number[] = []
  const under: Promise<void>[] = []
  const started = performance.now()
  for (let i = 0; i < posts; i++) {
    const wait = started + i * every - performance.now()
    if (wait > 0) await sleep(wait)
    under.push(post(side, agent, objects).then(ms => void times.push(ms)))
  }
  await Promise.all(under)
  agent.destroy()
  return { posts, times, ms: performance.now() - started }
}

function post({ url, collection, authorization }: Side, agent: Agent, objects: number): Promise<number> {
  const body = JSON.stringify({ objects: Array.from({ length: objects }, stamped) })
  const headers = { accept: TAXII, 'content-type': TAXII, authorization, 'content-length': Buffer.byteLength(body) }
  const { hostname, port } = new URL(url)
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { agent, hostname, port, method: 'POST', path: `${collection}objects/`, headers },
      response => {
        if (response.statusCode !== 202) return reject(new Error(`POST: ${response.statusCode}`))
        response.resume().on('end', () => resolve(performance.now() - started))
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
