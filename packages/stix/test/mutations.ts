/**
 * Objects for the comparison with another validator: those of the samples as they are, and each changed in one place. Pure
 * and seeded: the same list every time, so that its verdicts can be kept in `verdicts.md`.
 */
import { objectTypes } from '../table.ts'
import type { Kind, ObjectType } from '../types/kinds.ts'
import { brokenOf, complete as completeSample, idOf, minimal as minimalSample } from './samples.ts'

export interface Mutation {
  /** What was changed, by which the verdicts are counted. */
  readonly kind: string
  readonly object: Record<string, unknown>
}

const UUID = '8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'

/** Numbers from 0 up to 1 (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * A sample without what alone would make the other validator refuse, or fail at, every object of the type: hashes outside
 * the vocabulary, language tags with several subtags, granular markings of a language, the languages of software, header
 * fields and MIME parts of email, and the observable container. Some of these have cases of their own.
 */
function plain(object: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(object).replaceAll('de-CH-1996', 'de').replaceAll(',"x_own":"b"', '')
  const { additional_header_fields: _, languages: __, objects, ...rest } = JSON.parse(text) as Record<string, unknown>
  if ('granular_markings' in rest) {
    rest.granular_markings = [{ marking_ref: idOf('marking-definition'), selectors: ['type'] }]
  }
  if ('body_multipart' in rest) rest.body_multipart = [{ body: 'x' }]
  if (objects !== undefined) rest.object_refs = [idOf('url')]
  return rest
}
const complete = (type: ObjectType): Record<string, unknown> => plain(completeSample(type))
const minimal = (type: ObjectType): Record<string, unknown> => plain(minimalSample(type))

/** Patterns to break: one for each construct of section 9. */
const PATTERNS = [
  "[file:hashes.'SHA-256' = 'aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f']",
  "[email-message:from_ref.value MATCHES '.+\\\\@example\\\\.com$' AND email-message:subject = 'x']",
  "[ipv4-addr:value = '198.51.100.1/32' OR ipv6-addr:value = '2001:db8::1/128'] REPEATS 5 TIMES WITHIN 1800 SECONDS",
  "([file:name = 'foo.dll'] AND [windows-registry-key:key = 'HKEY_USERS\\\\x']) OR [process:pid = 7]",
  "[file:size > 7 AND (file:name LIKE 'a%' OR file:name IN ('b', 'c'))] FOLLOWEDBY [url:value != 'http://a.b/']",
  "[file:extensions.'windows-pebinary-ext'.sections[*].entropy >= 7.0]",
  "[artifact:payload_bin = b'ABI='] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00Z'",
  "[file:magic_number_hex NOT = h'ffd8' AND EXISTS file:name]",
  "[network-traffic:dst_ref.value ISSUBSET '198.51.100.0/24']",
  '[process:is_hidden = true AND process:pid < -5]',
]

/** Patterns whose verdict is about one point of section 9. */
const PATTERN_POINTS = [
  '[a:b = 1]',
  '[x-own:thing = 1]',
  '[file:x_own = 1]',
  "[file:'x-own' = 1]",
  '[F:size = 1]',
  '[file:size == 1]',
  '[file:size <> 1]',
  '[file:size = 1] // x',
  '[file:size = +1]',
  '[file:size = .5]',
  '[file:size = 1e3]',
  "[file:magic_number_hex = h'FF']",
  "[file:magic_number_hex = h'']",
  '[file:size IN ()]',
  "[file:size IN (1, 'x')]",
  '[file:contains_refs[-1].name = 1]',
  '[file:name.x[0] = 1]',
  "[file:name = 1 AND url:value = 'x']",
  "[file:ctime = t'2023-02-29T00:00:00Z']",
  "[file:ctime = t'2023-13-01T00:00:00Z']",
  "[file:hashes.MD5 = 'x']",
  "[file:hashes.MD5 LIKE 'a%']",
  "[file:hashes.x = 'y']",
  "[ipv4-addr:value ISSUBSET 'x']",
  '[NOT EXISTS file:name]',
  '[file:size = 1] WITHIN 0 SECONDS',
  '[file:size = 1] REPEATS 0 TIMES',
  '([file:size = 1]) WITHIN 1 SECONDS WITHIN 2 SECONDS',
  '[file:size = 1] WITHIN 1 SECONDS WITHIN 2 SECONDS',
  "[file:name = 'a\\b']",
  '[file:size > true]',
  '',
  ' ',
  '[]',
  '[file:size = 9007199254740993]',
  "[file:name = 'x' AND file:size = 1 OR file:size = 2]",
  "[x:y = 'é　🔒']",
]

/** Values for one property, in a valid object of a type: what other standards say about them. */
const VALUES: Record<string, readonly unknown[]> = {
  'ipv4-addr.value': ['1.2.3.4', '1.2.3.4/24', '1.2.3.256', '1.2.3', '01.2.3.4', '1.2.3.4/33', 'example.com', ''],
  'ipv6-addr.value': ['::1', '2001:db8::/96', '::ffff:1.2.3.4', '1:2:3:4:5:6:7:8', '1::2::3', '12345::', '::1/129', ''],
  'mac-addr.value': ['d2:fb:49:24:37:18', 'D2:FB:49:24:37:18', 'd2-fb-49-24-37-18', 'd2:fb:49:24:37', ''],
  'domain-name.value': [
    'example.com',
    'xn--bcher-kva.example',
    'bücher.example',
    'a..b',
    '-a.b',
    '_dmarc.example.com',
    'a b',
    '',
  ],
  'email-addr.value': [
    'a@example.com',
    '"a b"@example.com',
    'jörg@example.com',
    'a@localhost',
    'Jane <a@example.com>',
    'a',
    '',
  ],
  'url.value': [
    'https://example.com/',
    'urn:x:1',
    'example.com',
    'http://x/ y',
    'http://x/é',
    'a:',
    'http://[::1]/',
    '',
  ],
  'artifact.url': ['https://example.com/', 'example.com'],
  'artifact.mime_type': ['application/zip', 'image/svg+xml', 'application/x-own', 'x-own/zip', 'zip', ''],
  'file.mime_type': ['application/zip', 'zip'],
  'file.name_enc': ['UTF-8', 'utf-8', 'windows-1251', 'cp1251', 'x-none'],
  'directory.path_enc': ['UTF-8', 'latin1', 'a b'],
  'software.cpe': [
    'cpe:2.3:a:microsoft:word:2000:*:*:*:*:*:*:*',
    'cpe:2.3:a:a\\:b:c??:-:*:*:*:*:*:*:*',
    'cpe:/a:microsoft:word',
    'cpe:2.3:a:b',
    'cpe:2.3:x:a:b:c:*:*:*:*:*:*:*',
    'cpe:2.3:a:a b:b:c:*:*:*:*:*:*:*',
    'word',
  ],
  'software.languages': [['en'], ['eng'], ['de-CH'], ['english'], ['zz'], ['de_CH'], []],
  'malware.lang': ['en', 'de-CH', 'de-CH-1996', 'zz', 'english', 'de_CH', 'x-own', ''],
  'windows-registry-key.key': ['HKEY_USERS\\a', 'HKLM\\a', 'hkey_users\\a', 'x'],
  'relationship.relationship_type': ['uses', 'uses-it', 'Uses', 'is_used', 'a', '1a'],
  'location.country': ['US', 'us', 'USA', 'x'],
  'location.latitude': [0, 90, 90.1, -91],
  'opinion.opinion': ['agree', 'Agree', 'x'],
  'malware.malware_types': [['trojan'], ['x-own'], [7], []],
  'malware.labels': [['a'], [''], [null]],
  'malware.revoked': [true, 'true', 0],
  'malware.confidence': [0, 100, 101, -1, 50.5, '50'],
  'language-content.contents': [
    { de: { name: 'x' } },
    { de: { Name: 'x' } },
    { zz: { name: 'x' } },
    { de: { aliases: ['', 'x'] } },
    { de: 'x' },
    {},
  ],
  'observed-data.object_refs': [
    [idOf('url')],
    [idOf('relationship')],
    [idOf('malware')],
    [idOf('url'), idOf('relationship')],
    [],
  ],
  'observed-data.number_observed': [1, 0, 999_999_999, 1_000_000_000],
  'process.environment_variables': [{ PATH: 'x' }, { PATH: 7 }, {}, { 'A B': 'x' }],
  'file.hashes': [
    { MD5: 'a'.repeat(32) },
    { md5: 'a'.repeat(32) },
    { MD5: 'a'.repeat(31) },
    { MD5: 'g'.repeat(32) },
    { 'SHA-256': 'A'.repeat(64) },
    { SSDEEP: '96:abc:def' },
    { TLSH: 'a'.repeat(70) },
    { TLSH: 'T1' },
    { x_own: 'y' },
    { ab: 'y' },
    { 'SHA-256': 7 },
    {},
  ],
  'file.size': [0, 7, -1, 7.5, '7'],
  'file.extensions': [
    { 'ntfs-ext': { sid: 'x' } },
    { 'ntfs-ext': {} },
    { 'http-request-ext': { request_method: 'get', request_value: '/' } },
    { 'x-own-ext': { a_b: 1 } },
    { 'x-own': { a_b: 1 } },
    { 'X_OWN-ext': { a_b: 1 } },
    { [`extension-definition--${UUID}`]: { extension_type: 'property-extension', a_b: 1 } },
    { [`extension-definition--${UUID}`]: { a_b: 1 } },
    { [`extension-definition--${UUID}`]: { extension_type: 'none' } },
    { 'x-own-ext': 'text' },
    {},
  ],
  'network-traffic.extensions': [
    { 'tcp-ext': { src_flags_hex: '00000002' } },
    { 'tcp-ext': {} },
    { 'icmp-ext': { icmp_type_hex: '08' } },
    { 'socket-ext': { address_family: 'AF_INET' } },
    { 'socket-ext': { address_family: 'X' } },
    { 'socket-ext': { address_family: 'AF_INET', options: { SO_X: 'y' } } },
  ],
  'network-traffic.src_port': [0, 65_535, 65_536, -1],
  'network-traffic.is_active': [true, false],
  'extension-definition.extension_types': [['new-sdo'], ['toplevel-property-extension'], ['x'], []],
}

const TIMES = [
  '2024-02-29T00:00:00.000Z',
  '2024-02-29T00:00:00Z',
  '2024-02-29T00:00:00.123456789Z',
  '2023-02-29T00:00:00.000Z',
  '2024-13-01T00:00:00.000Z',
  '2024-02-29T24:00:00.000Z',
  '2016-12-31T23:59:60.000Z',
  '2024-02-29T00:00:60.000Z',
  '2024-02-29T00:00:00.000+00:00',
  '2024-02-29 00:00:00.000Z',
  '2024-02-29T00:00:00.Z',
  '2024-02-29',
  7,
]
const IDS = [
  UUID,
  UUID.toUpperCase(),
  UUID.replace('-4', '-1'),
  UUID.replace('-4', '-5'),
  UUID.replace('-4', '-7'),
  UUID.replace('-4', '-0'),
  UUID.replace('-9', '-7'),
  UUID.slice(1),
  UUID.replaceAll('-', ''),
  '',
  'x',
]
const SELECTORS = [
  'name',
  'labels',
  'labels.[0]',
  'labels.[1]',
  'labels[0]',
  'none',
  'name.[0]',
  'external_references.[0].url',
  '',
  'id',
  'granular_markings',
  'created',
  'x',
  'labels.0',
  'name.x',
  'external_references.[0].none',
  'labels.[00]',
  '$.name',
]
const REFERENCES = [
  { source_name: 'x', external_id: 'y' },
  { source_name: 'x' },
  { source_name: 'x', description: 'y' },
  { source_name: 'x', url: 'https://example.com/' },
  { source_name: 'x', url: 'example.com' },
  { source_name: 'x', url: 'http://x/ y' },
  { external_id: 'y' },
  { source_name: 'cve', external_id: 'CVE-2021-44228' },
  { source_name: 'cve', external_id: 'CVE-2021-1' },
  { source_name: 'cve' },
  { source_name: 'cve', description: 'y' },
  { source_name: 'x', external_id: 'CVE-2021-44228' },
  { source_name: 'capec', external_id: 'CAPEC-1' },
  { source_name: 'capec', external_id: '1' },
  { source_name: 'x', external_id: 'CAPEC-1' },
  { source_name: 'x', external_id: 'y', hashes: { MD5: 'a'.repeat(32) } },
  { source_name: 'x', external_id: 'y', hashes: { x_own: 'y' } },
  { source_name: 'x', external_id: 'y', x_own: 1 },
]
const NAMES = [
  'x_own',
  'own',
  'X_OWN',
  'x-own',
  'ab',
  '1own',
  '_own',
  'x own',
  'severity',
  'action',
  'username',
  'defanged',
  'confidence',
]
const CUSTOM_TYPES = ['x-thing', 'thing', 'x-thing-', 'x--thing', 'Thing', 'x_thing', 'ab', '1thing', '-thing']
const TLP = ['white', 'green', 'amber', 'red', 'clear', 'RED']
const TLP_WHITE = 'marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9'

const isTimestamp = (kind: Kind): boolean => kind.kind === 'timestamp'

/** The whole list; some 3,000. */
export function mutations(): Mutation[] {
  const list: Mutation[] = []
  const random = randomNumbers(21)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
  const add = (kind: string, object: Record<string, unknown>): void =>
    void list.push({ kind, object: JSON.parse(JSON.stringify(object)) as Record<string, unknown> })
  const of = (name: string) => objectTypes.get(name) as ObjectType
  const types = [...objectTypes.values()].filter(type => type.class !== 'bundle')

  for (const type of types) {
    add('unchanged', minimal(type))
    add('unchanged', complete(type))
    for (const [name, property] of Object.entries(type.properties)) {
      if (property.required) {
        const object = minimal(type)
        delete object[name]
        add('a required property left out', object)
      }
      const whole = complete(type)
      if (whole[name] === undefined) continue
      // All of them would be 6,000: two of each property, whichever.
      const broken = brokenOf(property.kind).filter(value => typeof value !== 'string' || value.length < 100)
      for (let at = 0; at < 2 && broken.length > 0; at++) {
        add(`a broken value: ${property.kind.kind}`, { ...whole, [name]: pick(broken) })
      }
      if (isTimestamp(property.kind)) add('a timestamp', { ...whole, [name]: pick(TIMES) })
    }
    for (const id of [pick(IDS), pick(IDS), pick(IDS)]) add('an id', { ...minimal(type), id: `${type.name}--${id}` })
    for (let at = 0; at < 2; at++) add('a property that the type has not', { ...minimal(type), [pick(NAMES)]: 'x' })
    add('null in place of a property', { ...minimal(type), [pick(Object.keys(type.properties))]: null })
    if (type.class !== 'sco') add('an id', { ...minimal(type), spec_version: pick(['2.0', '2.1', '2.2', undefined]) })
  }
  for (const time of TIMES) {
    for (const name of ['created', 'modified', 'first_seen']) {
      const object: Record<string, unknown> = { ...minimal(of('malware')), created: '2016-12-30T00:00:00.000Z' }
      add('a timestamp', { ...object, modified: '2030-01-01T00:00:00.000Z', [name]: time })
    }
  }
  const times = [
    '2024-01-01T00:00:00.000Z',
    '2024-01-01T00:00:00.001Z',
    '2024-01-01T00:00:00.0000Z',
    '2024-01-01T00:00:00.0009Z',
  ]
  for (const type of types) {
    for (const constraint of type.constraints) {
      if (constraint.rule !== 'timestamp_order') continue
      for (let at = 0; at < 3; at++) {
        const object = complete(type)
        add('two timestamps in some order', {
          ...object,
          [constraint.first]: pick(times),
          [constraint.second]: pick(times),
        })
      }
    }
  }
  for (const [at, values] of Object.entries(VALUES)) {
    const [type = '', name = ''] = at.split('.')
    for (const value of values) {
      const object: Record<string, unknown> = { ...minimal(of(type)), [name]: value }
      if (type === 'directory' || type === 'artifact') object.id = `${type}--${UUID}`
      if (at === 'artifact.url') Object.assign(object, { payload_bin: undefined, hashes: { MD5: 'a'.repeat(32) } })
      if (at === 'file.name_enc') object.name = 'x'
      if (at === 'location.latitude') object.longitude = 0
      if (at === 'network-traffic.is_active') object.end = '2024-01-01T00:00:00Z'
      add(`a value of ${at}`, object)
    }
  }
  for (const selector of SELECTORS) {
    const object = {
      ...minimal(of('malware')),
      name: 'x',
      labels: ['a'],
      external_references: [{ source_name: 'x', url: 'http://x/' }],
    }
    add('a granular marking', { ...object, granular_markings: [{ marking_ref: TLP_WHITE, selectors: [selector] }] })
    add('a granular marking', { ...object, granular_markings: [{ lang: 'de', selectors: [selector] }] })
  }
  for (const marking of [{}, { lang: 'de' }, { selectors: ['id'] }, { lang: 'zz', selectors: ['id'] }]) {
    add('a granular marking', { ...minimal(of('malware')), granular_markings: [marking] })
    add('a granular marking', {
      ...minimal(of('malware')),
      granular_markings: [{ ...marking, marking_ref: idOf('tool') }],
    })
  }
  for (const reference of REFERENCES) {
    for (const type of ['malware', 'vulnerability', 'attack-pattern']) {
      add('an external reference', { ...minimal(of(type)), external_references: [reference] })
    }
  }
  for (const type of CUSTOM_TYPES) {
    for (const versioned of [true, false]) {
      const times = { created: '2024-01-01T00:00:00.000Z', modified: '2024-01-01T00:00:00.000Z' }
      const object = { type, spec_version: '2.1', id: `${type}--${UUID}`, ...(versioned ? times : {}), some_thing: 1 }
      add('a custom type', object)
      for (const extension of ['new-sdo', 'new-sco', 'none']) {
        add('a custom type', {
          ...object,
          extensions: { [`extension-definition--${UUID}`]: { extension_type: extension } },
        })
      }
    }
  }
  for (const level of TLP) {
    const base = {
      type: 'marking-definition',
      spec_version: '2.1',
      created: '2017-01-20T00:00:00.000Z',
      definition_type: 'tlp',
    }
    for (const id of [TLP_WHITE, `marking-definition--${UUID}`]) {
      add('a marking definition', { ...base, id, name: `TLP:${level.toUpperCase()}`, definition: { tlp: level } })
    }
    add('a marking definition', {
      ...base,
      id: TLP_WHITE,
      object_marking_refs: [TLP_WHITE],
      definition: { tlp: level },
    })
  }
  for (const type of types) {
    for (const [name, { kind }] of Object.entries(type.properties)) {
      const inner = kind.kind === 'list' ? kind.of : kind
      if (inner.kind !== 'identifier') continue
      for (let at = 0; at < 2; at++) {
        const target = idOf(
          pick(['tool', 'file', 'identity', 'relationship', 'ipv4-addr', 'x-thing', 'marking-definition', 'bundle']),
        )
        add('a reference to some type', { ...complete(type), [name]: kind.kind === 'list' ? [target] : target })
      }
    }
  }
  const indicator = (pattern: string): Record<string, unknown> => ({ ...minimal(of('indicator')), pattern })
  for (const pattern of [...PATTERNS, ...PATTERN_POINTS]) add('a pattern', indicator(pattern))
  const pieces = [...`[]():.,*='<>!-x7 \\`.split(''), ' AND ', ' OR ', ' NOT ', 'WITHIN', "t'", "h'"]
  for (let at = 0; at < 500; at++) {
    const pattern = pick(PATTERNS)
    const place = Math.floor(random() * pattern.length)
    const cut = random() < 0.6 ? 1 : 0
    const put = random() < 0.6 || cut === 0 ? pick(pieces) : ''
    add('a pattern changed in one character', indicator(pattern.slice(0, place) + put + pattern.slice(place + cut)))
  }
  return list
}
