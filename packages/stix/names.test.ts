import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashFault, isBase64, isHex } from './encoding.ts'
import { identifierType, isIdentifierOf, NOT_AN_IDENTIFIER, scanIdentifier } from './identifier.ts'
import {
  isCustomExtensionName,
  isDictionaryKey,
  isLanguageTag,
  isPropertyName,
  isRelationshipType,
  isTypeName,
} from './names.ts'

const long = (length: number) => 'a'.repeat(length)

function both(predicate: (text: string) => boolean, good: string[], bad: string[]): void {
  for (const text of good) assert.ok(predicate(text), `${text.slice(0, 60)} is good`)
  for (const text of bad) assert.ok(!predicate(text), `${text.slice(0, 60)} is bad`)
}

test('type names (3.1, 7.3.2.2)', () => {
  both(
    text => isTypeName(text),
    ['url', 'x-mitre-tactic', 'ipv4-addr', 'x509-certificate', long(250)],
    ['', 'as', 'Malware', 'mal_ware', '-abc', '4chan', 'a--b', 'a b', 'é-acute', long(251)],
  )
})

test('property names (3.1, 11.1.1)', () => {
  const good = ['key', 'x_mitre_domains', 'x509_v3_extensions', long(250)]
  both(isPropertyName, good, ['', 'id', 'Name', 'x-foo', '_foo', '1st', 'x foo', '__proto__', long(251)])
})

test('dictionary keys (2.3), relationship types (5.1.2), custom extensions (11.3.1)', () => {
  both(
    text => isDictionaryKey(text),
    ['a', 'User-Agent', 'SO_KEEPALIVE', '0', long(250)],
    ['', 'a b', 'a.b', 'é', 'a@', 'a[', 'a`', 'a{', long(251)],
  )
  both(text => isDictionaryKey(text, 3), ['MD5'], ['MD'])
  both(isRelationshipType, ['uses', 'related-to', 'av-analysis-of'], ['', 'is', 'Uses', 'is used', 'a_b', long(251)])
  both(isCustomExtensionName, ['x-foo-ext', 'foo-ext'], ['x-foo', 'X-foo-ext', 'x_foo-ext'])
})

test('language tags (RFC 5646 section 2.1)', () => {
  const good = ['en', 'de-CH', 'zh-Hans-CN', 'sl-rozaj-biske-1994', 'x-private', 'i-klingon', 'es-419', 'en-a-bbb']
  both(isLanguageTag, good, [
    '',
    'e',
    'en_US',
    'en-',
    '-en',
    'en--us',
    '12',
    'e1',
    'englishlanguage',
    'x',
    'a-b',
    `en-${long(9)}`,
    long(101),
  ])
})

test('hex (2.8), binary (2.1), hash values (2.7)', () => {
  both(isHex, ['00', 'deadbeef'], ['', 'abc', 'AB', '0x', 'g0'])
  both(isBase64, ['AA==', 'AAA=', 'AAAA', '+/az09AZ'], ['', 'A', 'AA', 'AA-_', 'AA=A', '====', 'A===', 'AAAA\n'])
  assert.equal(hashFault('MD5', 'D41D8CD98F00B204E9800998ECF8427E'), undefined)
  assert.match(hashFault('SHA-256', 'ab') ?? '', /64 hexadecimal digits, this has 2/)
  assert.match(hashFault('MD5', 'g'.repeat(32)) ?? '', /character 0/)
  assert.match(hashFault('MD5', '\u0001'.repeat(32)) ?? '', /character 0/)
  assert.equal(hashFault('x_own', 'anything'), undefined)
  assert.equal(hashFault('SSDEEP', ''), 'it is empty')
})

test('identifiers (2.9, RFC 4122)', () => {
  const uuid = '8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f'
  assert.equal(scanIdentifier(`indicator--${uuid}`), 4)
  assert.equal(scanIdentifier(`indicator--${uuid.toUpperCase()}`), 4)
  assert.equal(scanIdentifier('ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4'), 5)
  assert.equal(scanIdentifier('indicator--019a8c3e-0000-7000-8000-000000000000'), 7)
  const bad = [
    '',
    uuid,
    `--${uuid}`,
    `ab--${uuid}`,
    `indicator-${uuid}`,
    `Indicator--${uuid}`,
    `indicator--${uuid}0`,
    `indicator--${uuid.slice(1)}`,
    `indicator--${uuid.replaceAll('-', '')}`,
    `indicator--{${uuid}}`,
    'indicator--8e2e2d2b-17d4-0cbf-938f-98ee46b3cd3f',
    'indicator--8e2e2d2b-17d4-9cbf-938f-98ee46b3cd3f',
    'indicator--8e2e2d2b-17d4-4cbf-738f-98ee46b3cd3f',
    'indicator--00000000-0000-0000-0000-000000000000',
    'indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cdzz',
  ]
  for (const text of bad) assert.equal(scanIdentifier(text), NOT_AN_IDENTIFIER, text)
  assert.equal(identifierType(`x-mitre-tactic--${uuid}`), 'x-mitre-tactic')
  assert.equal(identifierType('nothing'), undefined)
  assert.ok(isIdentifierOf(`indicator--${uuid}`, 'indicator'))
  assert.ok(!isIdentifierOf(`indicator--${uuid}`, 'indic'))
})

test('names take time linear in their length: 40 letters that end wrong, and 100,000', () => {
  const started = performance.now()
  for (let round = 0; round < 1_000; round++) {
    assert.ok(!isTypeName(`${long(40)}!`))
    assert.ok(!isTypeName(`${'a-'.repeat(20)}!`))
    assert.ok(!isPropertyName(`${long(40)}!`))
    assert.equal(scanIdentifier(`${long(40)}!--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f`), NOT_AN_IDENTIFIER)
  }
  for (const scan of [isTypeName, isPropertyName, isLanguageTag, isRelationshipType, isHex, isBase64]) {
    scan(`${long(100_000)}!`)
  }
  assert.ok(performance.now() - started < 1_000)
})
