/** Texts that must, or should, have the form of another standard. */
import { isDomainName, isEmailAddress, isIpv4, isIpv6, isMac, isUri } from './internet.ts'
import { isCpe, isMediaType } from './registries.ts'
import { isCharacterSet } from './types/charsets.ts'
import type { Format } from './types/kinds.ts'
import { type Check, show } from './walk.ts'

const formats: Readonly<Record<Format, { is(text: string): boolean; what: string; address?: true }>> = {
  ipv4: { is: isIpv4, what: 'IPv4 address or CIDR block', address: true },
  ipv6: { is: isIpv6, what: 'IPv6 address or CIDR block', address: true },
  mac: { is: isMac, what: 'MAC-48 address in lower case, with colons', address: true },
  'domain-name': { is: isDomainName, what: 'domain name (RFC 1034, RFC 5890)', address: true },
  email: { is: isEmailAddress, what: 'email address (RFC 5322 addr-spec)', address: true },
  url: { is: isUri, what: 'URL (RFC 3986)', address: true },
  cpe: { is: isCpe, what: 'CPE 2.3 name: cpe:2.3:, a part and ten components' },
  'media-type': { is: isMediaType, what: 'media type of the IANA registry, type/subtype' },
  'character-set': { is: isCharacterSet, what: 'name of the IANA character set registry' },
}

/** What `defanged` (section 3.2) excuses: an address that was changed so that nobody follows it. */
export function formatCheck(format: Format, section: string, should: boolean): Check {
  const { is, what, address } = formats[format]
  const rule = should ? 'recommended_format' : 'format'
  return (value, walk) => {
    if (typeof value !== 'string') walk.report('kind', '2.15', `expected a string, got ${show(value)}`)
    else if ((should && !walk.tells(rule)) || is(value)) return
    else if (address !== true || walk.object.defanged !== true) {
      walk.report(rule, section, `${show(value)} is no ${what}`)
    }
  }
}
