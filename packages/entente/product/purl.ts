import { PackageURL } from 'packageurl-js'
import { ProductError } from './error.ts'

/** A package URL (purl specification): `pkg:type/namespace/name@version?qualifiers#subpath`, normalised. */
export type Purl = {
  text: string
  type: string
  namespace: string | undefined
  name: string
  version: string | undefined
  qualifiers: Readonly<Record<string, string>>
}

/** Longer ones are nobody's. */
const MAX_LENGTH = 4_096

/** @throws ProductError `syntax` */
export function parsePurl(text: string): Purl {
  try {
    if (text.length > MAX_LENGTH) throw new Error(`longer than ${MAX_LENGTH} characters`)
    const url = PackageURL.fromString(text)
    const { type, name, namespace, version, qualifiers } = url
    if (!type || !name) throw new Error('no type or no name')
    return {
      text: url.toString(),
      type,
      namespace: namespace ?? undefined,
      name,
      version: version ?? undefined,
      qualifiers: { ...qualifiers },
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : ''
    throw new ProductError('syntax', `${JSON.stringify(text.slice(0, 200))} is no package URL: ${why}`, { cause })
  }
}

/** Whether both are one package: type, namespace, name, and of the qualifiers those that the pattern has. Versions are not looked at. */
export function isPackage(pattern: Purl, purl: Purl): boolean {
  return (
    pattern.type === purl.type &&
    pattern.namespace === purl.namespace &&
    pattern.name === purl.name &&
    Object.entries(pattern.qualifiers).every(([name, value]) => purl.qualifiers[name] === value)
  )
}
