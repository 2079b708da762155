import { JsonError, parseObjects } from '@entente/verify/json'
import { type Finding, objectVersion, parseTimestamp, specVersion, validateObject } from '@entente/stix'
import type { SubmittedObject } from '#notary/sequence.ts'
import type { StatusItem } from '#store/store.ts'
import { TaxiiError } from './errors.ts'

/** What a body holds: objects that may be stored, and what is wrong with the others. */
export type Intake = { objects: SubmittedObject[]; failed: StatusItem[] }

const MAX_DEPTH = 64
/**
 * Rules that published content breaks and whose breach costs nothing: ATT&CK has a marking definition whose `created` is without milliseconds
 * (STIX 2.1 section 3.2 asks for three digits). Versions are compared as instants, so it is told in the status and taken.
 */
const TOLERATED: ReadonlySet<string> = new Set(['timestamp_precision'])
/** Findings that go into the message of a refused object. */
const SHOWN = 5

/**
 * Reads and validates the body of "Add Objects" (TAXII 2.1 section 5.5): an envelope of STIX objects. An object that is not valid fails by itself; a body
 * that can't be read as an envelope fails as a whole.
 *
 * @throws TaxiiError 422
 */
export function readEnvelope(body: Uint8Array, maxBytes: number): Intake {
  let parsed: ReturnType<typeof parseObjects>
  try {
    parsed = parseObjects(body, 'objects', { maxBytes, maxDepth: MAX_DEPTH })
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    throw new TaxiiError(422, 'body', `the body is not a TAXII envelope: ${cause.message}`, { cause })
  }
  const values = parsed.envelope['objects'] as unknown[]
  if (values.length === 0) throw new TaxiiError(422, 'body', 'the envelope holds no objects')
  if (parsed.envelope['type'] === 'bundle') {
    throw new TaxiiError(
      422,
      'body',
      'this is a STIX bundle: send {"objects": […]} with the objects of the bundle (TAXII 2.1 section 3.7)',
    )
  }
  const objects: SubmittedObject[] = []
  const failed: StatusItem[] = []
  for (let i = 0; i < values.length; i++) {
    const result = toSubmitted(values[i], parsed.canonical[i] as string)
    if ('canonical' in result) objects.push(result)
    else failed.push(result)
  }
  return { objects, failed }
}

function toSubmitted(value: unknown, canonical: string): SubmittedObject | StatusItem {
  const { findings } = validateObject(value, { warnings: false })
  const errors = findings.filter(f => !TOLERATED.has(f.rule))
  const object = value as Record<string, unknown>
  const written = errors.length === 0 ? objectVersion(object) : undefined
  const version = written === undefined ? undefined : parseTimestamp(written)
  const messages = errors.slice(0, SHOWN).map(describe)
  if (errors.length > SHOWN) messages.push(`and ${errors.length - SHOWN} more`)
  if (version && version.fractionDigits > 6)
    messages.push(`version ${written}: at most six digits after the decimal point are told apart`)
  if (messages.length > 0) {
    const isNamed = typeof value === 'object' && value !== null
    const id = isNamed && typeof object['id'] === 'string' ? object['id'].slice(0, 200) : 'unknown'
    const claimed = isNamed ? (object['modified'] ?? object['created']) : undefined
    return { id, version: typeof claimed === 'string' ? claimed.slice(0, 40) : 'unknown', message: messages.join('; ') }
  }
  return {
    id: object['id'] as string,
    version: version?.normalized,
    versionDigits: version?.fractionDigits ?? 0,
    spec: specVersion(object) ?? '2.1',
    value: object,
    canonical,
    ...(findings.length > 0 ? { warning: findings.slice(0, SHOWN).map(describe).join('; ') } : {}),
  }
}

const describe = (f: Finding): string => `${f.path}: ${f.message} (STIX 2.1 section ${f.section})`
