import { ProductError } from './error.ts'
import { readJson, readText } from './input.ts'
import type { Sbom } from './sbom/component.ts'
import { readCycloneDx } from './sbom/cyclonedx.ts'
import { readSpdx } from './sbom/spdx.ts'
import { parseTagValue } from './sbom/tag-value.ts'

export type { Component, Sbom } from './sbom/component.ts'

const KNOWN = 'CycloneDX 1.4 to 1.6 in JSON, SPDX 2.2 and 2.3 in JSON or as tag-value'

/**
 * The components that an SBOM names, whichever of the formats it has.
 *
 * @throws ProductError `syntax`, `unsupported`, `too-big`
 */
export function parseSbom(input: string | Uint8Array): Sbom {
  const text = readText(input, 'the SBOM').trimStart()
  if (text.startsWith('<')) throw new ProductError('unsupported', `an SBOM in XML; read are ${KNOWN}`)
  if (!text.startsWith('{')) return readSpdx(parseTagValue(text))
  const value = readJson(text, 'the SBOM') as { bomFormat?: unknown; spdxVersion?: unknown; '@context'?: unknown }
  if (value.bomFormat !== undefined) return readCycloneDx(value)
  if (value.spdxVersion !== undefined) return readSpdx(value)
  const found = value['@context'] === undefined ? 'this is no SBOM' : 'an SBOM as linked data (SPDX 3)'
  throw new ProductError('unsupported', `${found}; read are ${KNOWN}`)
}
