/** Deterministic identifiers of cyber-observables (section 2.9): UUIDv5 over the canonical "ID Contributing Properties". */
import { sha1 } from './sha1.ts'
import { isObject, type Json } from './walk.ts'

/** The namespace that STIX reserves for them. */
export const SCO_NAMESPACE = '00abedb4-aa42-466c-9c01-fed23315a9b7'

/** The "ID Contributing Properties" of each type in section 6; a process has none. */
export const contributingProperties: ReadonlyMap<string, readonly string[]> = new Map([
  ['artifact', ['hashes', 'payload_bin']],
  ['autonomous-system', ['number']],
  ['directory', ['path']],
  ['domain-name', ['value']],
  ['email-addr', ['value']],
  ['email-message', ['from_ref', 'subject', 'body']],
  ['file', ['hashes', 'name', 'extensions', 'parent_directory_ref']],
  ['ipv4-addr', ['value']],
  ['ipv6-addr', ['value']],
  ['mac-addr', ['value']],
  ['mutex', ['name']],
  ['network-traffic', ['start', 'end', 'src_ref', 'dst_ref', 'src_port', 'dst_port', 'protocols', 'extensions']],
  ['process', []],
  ['software', ['name', 'cpe', 'swid', 'vendor', 'version']],
  ['url', ['value']],
  ['user-account', ['account_type', 'user_id', 'account_login']],
  ['windows-registry-key', ['key', 'values']],
  ['x509-certificate', ['hashes', 'serial_number']],
])

/** Of several hashes the first of these contributes (sections 6.1, 6.7, 6.18). */
const PREFERRED_HASHES = ['MD5', 'SHA-1', 'SHA-256', 'SHA-512']

/** Whether any property that contributes to the id is there. */
export function hasContributingProperty(object: Json, type: string): boolean {
  for (const name of contributingProperties.get(type) ?? []) if (object[name] !== undefined) return true
  return false
}

/**
 * The id that section 2.9 gives to a cyber-observable; `undefined` for a type that section 6 does not have, where nothing
 * contributes, where none of several hashes is preferred, and beyond `maxLength` characters of content (default 100,000).
 *
 * @example
 * deterministicId({ type: 'ipv4-addr', value: '198.51.100.3' }) // 'ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd'
 */
export function deterministicId(object: Json, maxLength = 100_000): string | undefined {
  const { type } = object
  if (typeof type !== 'string' || !hasContributingProperty(object, type)) return undefined
  const name: Record<string, unknown> = {}
  for (const property of contributingProperties.get(type) ?? []) {
    const value = object[property]
    if (value === undefined) continue
    if (property === 'hashes' && isObject(value)) {
      const present = Object.keys(value)
      const chosen = PREFERRED_HASHES.find(algorithm => present.includes(algorithm))
      const key = chosen ?? (present.length === 1 ? present[0] : undefined)
      if (key === undefined) return undefined
      name.hashes = { [key]: value[key] }
    } else name[property] = value
  }
  const text = canonical(name, maxLength)
  return text === undefined ? undefined : `${type}--${uuid5(SCO_NAMESPACE, text)}`
}

/** RFC 8785 of a JSON value that has no more than `maxLength` characters and 32 levels, else `undefined`. */
function canonical(value: unknown, maxLength: number, depth = 0): string | undefined {
  if (depth > 32 || maxLength < 0) return undefined
  if (typeof value !== 'object' || value === null) {
    // JSON.stringify writes strings and numbers as RFC 8785 does.
    return typeof value === 'string' && value.length > maxLength ? undefined : JSON.stringify(value)
  }
  const isList = Array.isArray(value)
  let text = isList ? '[' : '{'
  for (const key of isList ? value.keys() : Object.keys(value).sort()) {
    const item = canonical((value as Record<string | number, unknown>)[key], maxLength - text.length, depth + 1)
    if (item === undefined) return undefined
    if (text.length > 1) text += ','
    text += isList ? item : `${JSON.stringify(key)}:${item}`
  }
  return text.length > maxLength ? undefined : text + (isList ? ']' : '}')
}

/** UUIDv5 (RFC 4122 section 4.3) of a name in a namespace; lower case. */
export function uuid5(namespace: string, name: string): string {
  const text = new TextEncoder().encode(name)
  const octets = new Uint8Array(16 + text.length)
  for (let at = 0; at < 16; at++) {
    octets[at] = Number.parseInt(namespace.replaceAll('-', '').slice(at * 2, at * 2 + 2), 16)
  }
  octets.set(text, 16)
  const digest = sha1(octets).subarray(0, 16)
  digest[6] = ((digest[6] as number) & 0x0f) | 0x50
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80
  let hex = ''
  for (const octet of digest) hex += octet.toString(16).padStart(2, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
