import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sampleObjects } from '../test/support/server.ts'

const FOLDER = join(import.meta.dirname, '../../shared/data/attack')
const RELEASES = ['ics-attack-18.1.json', 'mobile-attack-17.1.json']

/** What the objects are: ATT&CK where the data is there, else indicators of a fixed seed. */
export const source: string = existsSync(join(FOLDER, RELEASES[0] as string))
  ? 'MITRE ATT&CK (ICS 18.1, Mobile 17.1)'
  : 'generated indicators'

type Parts = { type: string; head: string; tail: string }
let parts: Parts[] | undefined

function load(): Parts[] {
  const files = RELEASES.map(name => join(FOLDER, name)).filter(file => existsSync(file))
  const objects =
    files.length > 0
      ? files.flatMap(
          file => (JSON.parse(readFileSync(file, 'utf8')) as { objects: Record<string, unknown>[] }).objects,
        )
      : sampleObjects(1000)
  return objects
    .filter(object => 'modified' in object || 'created' in object)
    .map(object => {
      const type = object['type'] as string
      const [head = '', tail = ''] = JSON.stringify({ ...object, id: '\u0001' }).split('"\\u0001"')
      return { type, head, tail }
    })
}

/**
 * Identifier of object number `n` (below 2^32): new for every `n`, the same in every run, and in no order, as real ones are: whatever
 * is kept sorted by them is written in random places.
 */
export function idOf(n: number): string {
  parts ??= load()
  // Odd factors and shifts of 32 bits lose nothing, so no two numbers get one UUID.
  let x = Math.imul(n ^ (n >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  const hex = ((x ^ (x >>> 16)) >>> 0).toString(16).padStart(8, '0')
  return `${(parts[n % parts.length] as Parts).type}--${hex}-0000-4000-8000-000000000000`
}

/** An envelope of `count` real objects, each under an id of its own, as bytes. */
export function envelope(from: number, count: number): Buffer {
  parts ??= load()
  const texts: string[] = []
  for (let n = from; n < from + count; n++) {
    const { head, tail } = parts[n % parts.length] as Parts
    texts.push(`${head}"${idOf(n)}"${tail}`)
  }
  return Buffer.from(`{"objects":[${texts.join(',')}]}`)
}
