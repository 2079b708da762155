import Type, { type Static } from 'typebox'
import { ProductError } from './error.ts'
import { createShape, readJson } from './input.ts'

/** A Manufacturer Usage Description (RFC 8520): what a device says of itself, and which traffic it needs. */
export type Mud = {
  url: string
  lastUpdate: string
  /** Hours for which it may be kept (section 3.5); 48 by default. */
  cacheValidity: number
  isSupported: boolean
  systemInfo: string | undefined
  manufacturer: string | undefined
  model: string | undefined
  firmware: string | undefined
  software: string | undefined
  documentation: string | undefined
  signature: string | undefined
  /** Names of the access lists from and to the device, each of which is in the file. */
  fromDevice: string[]
  toDevice: string[]
}

const Text = Type.String({ maxLength: 4_096 })
const Name = Type.String({ minLength: 1, maxLength: 64 })
const MOST = 1_000
const Policy = Type.Object({
  'access-lists': Type.Object({ 'access-list': Type.Array(Type.Object({ name: Name }), { maxItems: MOST }) }),
})
/** Sections 3 and 7: of the YANG module ietf-mud what must be there, and the kinds of what may be. */
const MudShape = Type.Object({
  'mud-version': Type.Literal(1),
  'mud-url': Type.String({ minLength: 1, maxLength: 2_048 }),
  'last-update': Text,
  'mud-signature': Type.Optional(Text),
  'cache-validity': Type.Optional(Type.Integer({ minimum: 1, maximum: 168 })),
  'is-supported': Type.Boolean(),
  systeminfo: Type.Optional(Text),
  'mfg-name': Type.Optional(Text),
  'model-name': Type.Optional(Text),
  'firmware-rev': Type.Optional(Text),
  'software-rev': Type.Optional(Text),
  documentation: Type.Optional(Text),
  extensions: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 40 }), { maxItems: MOST })),
  'from-device-policy': Type.Optional(Policy),
  'to-device-policy': Type.Optional(Policy),
})
/** RFC 8519 as RFC 8520 profiles it: lists of entries, each with a name of its own and what it does. */
const Acls = Type.Object({
  acl: Type.Array(
    Type.Object({
      name: Name,
      type: Type.Optional(Text),
      aces: Type.Object({
        ace: Type.Array(
          Type.Object({
            name: Name,
            matches: Type.Optional(Type.Object({})),
            actions: Type.Object({ forwarding: Text }),
          }),
          { maxItems: MOST },
        ),
      }),
    }),
    { maxItems: MOST },
  ),
})
const check = createShape(
  Type.Object({ 'ietf-mud:mud': MudShape, 'ietf-access-control-list:acls': Type.Optional(Acls) }),
)

/** Identities of RFC 8519, 4.1: kinds of access lists, and what an entry does with what it matches. */
const TYPES: ReadonlySet<string> = new Set([
  'ipv4-acl-type',
  'ipv6-acl-type',
  'eth-acl-type',
  'mixed-eth-ipv4-acl-type',
  'mixed-eth-ipv6-acl-type',
  'mixed-eth-ipv4-ipv6-acl-type',
])
const ACTIONS: ReadonlySet<string> = new Set(['accept', 'drop', 'reject'])
/** RFC 3339, as YANG's date-and-time (RFC 6991). */
const DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/**
 * A MUD file, checked: what RFC 8520 demands of it, and that each access list that a policy names is there.
 *
 * @throws ProductError `syntax`, `too-big`
 */
export function parseMud(input: string | Uint8Array): Mud {
  const file = check(readJson(input, 'the MUD file'), 'the MUD file')
  const mud = file['ietf-mud:mud']
  // Section 3.2: a MUD URL has the scheme https.
  if (!URL.canParse(mud['mud-url']) || new URL(mud['mud-url']).protocol !== 'https:') {
    throw notThat(`mud-url must be an https URL, got ${mud['mud-url'].slice(0, 80)}`)
  }
  const date = mud['last-update']
  if (!DATE.test(date) || Number.isNaN(Date.parse(date))) throw notThat(`last-update is no date: ${date.slice(0, 80)}`)
  const names = aclNames(file['ietf-access-control-list:acls'])
  const listed = (policy: Static<typeof Policy> | undefined): string[] =>
    (policy?.['access-lists']['access-list'] ?? []).map(({ name }) => {
      if (!names.has(name)) throw notThat(`the access list ${JSON.stringify(name)} of a policy is not in the file`)
      return name
    })
  return {
    url: mud['mud-url'],
    lastUpdate: date,
    cacheValidity: mud['cache-validity'] ?? 48,
    isSupported: mud['is-supported'],
    systemInfo: mud.systeminfo,
    manufacturer: mud['mfg-name'],
    model: mud['model-name'],
    firmware: mud['firmware-rev'],
    software: mud['software-rev'],
    documentation: mud.documentation,
    signature: mud['mud-signature'],
    fromDevice: listed(mud['from-device-policy']),
    toDevice: listed(mud['to-device-policy']),
  }
}

function aclNames(acls: Static<typeof Acls> | undefined): Set<string> {
  const names = new Set<string>()
  for (const { name, type, aces } of acls?.acl ?? []) {
    if (names.has(name)) throw notThat(`the access list ${JSON.stringify(name)} is there twice`)
    names.add(name)
    // Identities are written with or without the module's name (RFC 7951, 6.8).
    const identity = type?.split(':').at(-1)
    if (identity !== undefined && !TYPES.has(identity)) throw notThat(`access lists of type ${identity.slice(0, 80)}`)
    const entries = new Set(aces.ace.map(ace => ace.name))
    if (entries.size !== aces.ace.length) throw notThat(`two entries of ${JSON.stringify(name)} have one name`)
    for (const { actions } of aces.ace) {
      const action = actions.forwarding.split(':').at(-1) ?? ''
      if (!ACTIONS.has(action)) throw notThat(`an entry of ${JSON.stringify(name)} does ${action.slice(0, 80)}`)
    }
  }
  return names
}

const notThat = (why: string): ProductError => new ProductError('syntax', `the MUD file (RFC 8520): ${why}`)
