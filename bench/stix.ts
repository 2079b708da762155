/**
 * STIX validation on one core: objects/s of MITRE ATT&CK ICS 18.1 (or, where that is absent, generated objects), with
 * warnings and without, and beside them `JSON.parse` of the same objects, `sameMeaning` of each with itself, and a pattern.
 *
 *     node bench/stix.ts
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { objectTypes, parsePattern, sameMeaning, validateObject } from '../packages/stix/index.ts'
import { complete } from '../packages/stix/test/samples.ts'

const file = join(import.meta.dirname, '../../shared/data/attack/ics-attack-18.1.json')
const objects: unknown[] = existsSync(file)
  ? (JSON.parse(readFileSync(file, 'utf8')) as { objects: unknown[] }).objects
  : [...objectTypes.values()].filter(type => type.class !== 'bundle').map(type => complete(type))
const texts = objects.map(object => JSON.stringify(object))
const copies = objects.map(object => structuredClone(object))

/** Run `pass` for `warmup` and then for `time` milliseconds; the best pass counts. */
function measure(name: string, pass: () => void, warmup = 150, time = 300): number {
  const warm = performance.now() + warmup
  while (performance.now() < warm) pass()
  let best = Number.POSITIVE_INFINITY
  const end = performance.now() + time
  while (performance.now() < end) {
    const started = performance.now()
    pass()
    best = Math.min(best, performance.now() - started)
  }
  const rate = Math.round((objects.length / best) * 1_000)
  const each = ((best * 1_000) / objects.length).toFixed(2)
  console.log(`${name.padEnd(34)} ${String(rate).padStart(9)} objects/s  ${each.padStart(6)} us each`)
  return rate
}

let sink = 0
console.log(`${objects.length} objects, ${existsSync(file) ? 'ATT&CK ICS 18.1' : 'generated'}`)
const parse = measure('JSON.parse', () => {
  for (const text of texts) sink += JSON.parse(text) === null ? 1 : 0
})
const validate = measure('validateObject', () => {
  for (const object of objects) sink += validateObject(object).findings.length
})
const quiet = { warnings: false }
measure('validateObject, warnings: false', () => {
  for (const object of objects) sink += validateObject(object, quiet).findings.length
})
measure('sameMeaning', () => {
  for (const [at, object] of objects.entries()) sink += sameMeaning(object, copies[at]) ? 1 : 0
})
const pattern =
  "([file:hashes.'SHA-256' = 'aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f' OR file:name LIKE 'a%'] " +
  "AND [ipv4-addr:value IN ('198.51.100.1', '198.51.100.2') AND ipv4-addr:x_rank > 7]) WITHIN 600 SECONDS"
measure(`parsePattern, ${pattern.length} characters`, () => {
  for (let at = 0; at < objects.length; at++) sink += parsePattern(pattern).spellings.length
})
console.log(
  `validateObject : JSON.parse = ${(validate / parse).toFixed(2)} : 1; the project's goal is 40,000 objects/s`,
)
if (sink < 0) console.log(sink)
