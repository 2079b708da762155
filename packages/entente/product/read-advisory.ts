import type { Advisory } from './advisory.ts'
import { csafAdvisory } from './csaf.ts'
import { cveAdvisory } from './cve.ts'
import { ProductError } from './error.ts'
import { readJson } from './input.ts'

/**
 * An advisory, whichever of the formats it has: CSAF 2.0 or 2.1, VEX in CSAF, a CVE record.
 *
 * @throws ProductError `syntax`, `unsupported`, `too-big`
 */
export function readAdvisory(input: string | Uint8Array): Advisory {
  const value = readJson(input, 'the advisory')
  const members = typeof value === 'object' && value !== null ? value : {}
  if ('dataType' in members) return cveAdvisory(value)
  if ('document' in members) return csafAdvisory(value)
  throw new ProductError('unsupported', 'this is no advisory: read are CSAF 2.0 and 2.1, and CVE records in JSON 5')
}
