import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { deterministicId } from './deterministic-id.ts'
import { isDomainName, isEmailAddress, isIpv4, isIpv6, isMac, isUri } from './internet.ts'
import { isCapec, isCpe, isCve, isMediaType } from './registries.ts'
import { sha1 } from './sha1.ts'
import { isCharacterSet } from './types/charsets.ts'

const holds = (is: (text: string) => boolean, good: string[], bad: string[]): void => {
  for (const text of good) assert.ok(is(text), `${is.name}: ${text}`)
  for (const text of bad) assert.ok(!is(text), `${is.name} not: ${text}`)
}
/** Long texts of one or two repeated pieces: each scanner answers at once. */
const LONG = ['a', '0', '.', '-', ':', '::', '1.', 'a-', '%', '\\', '\\!', '?', '*', '@', '"', '[', '/', 'é'].flatMap(
  piece => ['', 'a@', 'http://', 'cpe:2.3:a:', 'CVE-2020-', '"'].map(start => start + piece.repeat(100_000)),
)

test('addresses (6.8 to 6.10): as node reads them, and blocks', () => {
  holds(
    isIpv4,
    ['0.0.0.0', '255.255.255.255', '10.2.4.5/24', '1.2.3.4/0', '1.2.3.4/32'],
    [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.4/33',
      '1.2.3.4/',
      '1.2.3.4/024',
      '1.2.3.4 ',
      '1..2.3',
      '::1',
    ],
  )
  holds(
    isIpv6,
    ['::', '::1', '1::', '2001:0db8::/96', '2001:db8:85a3:0:0:8a2e:370:7334/128', '::ffff:1.2.3.4', '1:2:3:4:5:6:7::'],
    [
      '',
      ':',
      ':::',
      '1:',
      ':1',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
      '::g',
      '::/129',
      'fe80::1%eth0',
      '::1.2.3',
      '1.2.3.4::',
      '1:2:3:4:5:6:7:8::',
      '::1:',
    ],
  )
  const piece = fc.constantFrom('::', ':', '0', 'ffff', '1.2.3.4', 'g', '12345', '.')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.array(piece, { maxLength: 16 }).map(all => all.join('')),
      ),
      text => {
        assert.equal(isIpv4(text), isIP(text) === 4, text)
        assert.equal(isIpv6(text), isIP(text) === 6, text)
      },
    ),
    { seed: 6, numRuns: 3_000 },
  )
  holds(
    isMac,
    ['d2:fb:49:24:37:18'],
    ['D2:fb:49:24:37:18', 'd2-fb-49-24-37-18', 'd2:fb:49:24:37', '2:fb:49:24:37:18', ''],
  )
})

test('names and URLs (6.4, 6.5, 6.15)', () => {
  holds(
    isDomainName,
    [
      'example.com',
      'a',
      'example.com.',
      '_dmarc.example.com',
      'xn--bcher-kva.example',
      'bücher.example',
      '1.2',
      `${'a'.repeat(63)}.b`,
    ],
    [
      '',
      '.',
      'a..b',
      '.a',
      '-a.b',
      'a-.b',
      'a b',
      'a/b',
      'http://a',
      `${'a'.repeat(64)}.b`,
      'a.'.repeat(128),
      'a:80',
      'a\u0000',
    ],
  )
  holds(
    isEmailAddress,
    ['jane.smith@example.com', 'a+b@c', '"jane smith"@example.com', 'a@[192.0.2.1]', 'jörg@example.com', '"a\\"b"@c.d'],
    [
      '',
      '@',
      'a@',
      '@b',
      'a',
      'Jane <a@b.c>',
      'a b@c.d',
      '.a@b',
      'a.@b',
      'a..b@c',
      'a@b@c',
      '"a"b"@c',
      '""@',
      'a@b..c',
    ],
  )
  holds(
    isUri,
    [
      'http://example.com/',
      'urn:isbn:1',
      'http://[2001:db8::1]:80/?a=b#c',
      'mailto:a@b',
      'a:b',
      'http://x/%2f',
      'ftp+x-1.0://y',
    ],
    [
      '',
      ':',
      'a',
      'a:',
      '//x',
      '1a:b',
      'http://x/ ',
      'http://x/%2',
      'http://x/%zz',
      'http://x/é',
      'http://x/[',
      'a:#b#c',
      'a:{b}',
      'a b:c',
    ],
  )
})

test('names of other registries', () => {
  holds(
    isCve,
    ['CVE-1999-0001', 'CVE-2021-44228', 'CVE-2021-1234567'],
    [
      '',
      'CVE-2021-123',
      'cve-2021-1234',
      'CVE-21-1234',
      'CVE-2021-01234',
      'CVE-2021-1234 ',
      'CVE-2021-',
      'CVE20211234',
    ],
  )
  holds(isCapec, ['CAPEC-1', 'CAPEC-550'], ['CAPEC-', 'CAPEC-x', 'capec-1', '1'])
  const tail = ':*'.repeat(7)
  holds(
    isCpe,
    [
      'cpe:2.3:a:microsoft:word:2000:*:*:*:*:*:*:*',
      `cpe:2.3:o:a\\:b:c??:-${tail}`,
      `cpe:2.3:*:*:*:*${tail}`,
      `cpe:2.3:h:*foo*:?a?:1.0_x-y${tail}`,
    ],
    [
      '',
      'cpe:2.3:',
      'cpe:2.3:a',
      'cpe:/a:microsoft:word',
      `cpe:2.3:x:a:b:c${tail}`,
      `cpe:2.3:a:a:b:c${tail}:*`,
      `cpe:2.3:a:a b:b:c${tail}`,
      `cpe:2.3:a::b:c${tail}`,
      `cpe:2.3:a:a*b:b:c${tail}`,
      `cpe:2.3:a:a\\a:b:c${tail}`,
    ],
  )
  holds(
    isMediaType,
    ['application/zip', 'image/svg+xml', 'Text/plain'],
    ['', 'zip', 'application/', '/zip', 'x/y', 'text/a b', 'text/.a'],
  )
  holds(
    isCharacterSet,
    ['UTF-8', 'windows-1251', 'ISO-8859-1', 'us-ascii'],
    ['', 'cp1251', 'utf8', 'ISO_8859-1:1987', 'latin1', 'a b'],
  )
})

test('scanners answer on long texts at once', () => {
  const started = performance.now()
  const all = [
    isIpv4,
    isIpv6,
    isMac,
    isDomainName,
    isEmailAddress,
    isUri,
    isCve,
    isCapec,
    isCpe,
    isMediaType,
    isCharacterSet,
  ]
  for (const is of all) for (const text of LONG) is(text)
  const elapsed = performance.now() - started
  assert.ok(elapsed < 2_000, `${elapsed} ms for ${all.length * LONG.length} texts`)
})

test('SHA-1: as node computes it, at each length around a block', () => {
  for (let length = 0; length < 200; length++) {
    const octets = Uint8Array.from({ length }, (_, at) => at * 7)
    assert.deepEqual(Buffer.from(sha1(octets)), createHash('sha1').update(octets).digest())
  }
})

test('deterministic ids: examples of the specification, and what contributes (2.9, 6)', () => {
  // Examples of sections 6.4 to 6.17.
  const examples: [string, object][] = [
    ['ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4', { value: '198.51.100.3' }],
    ['ipv6-addr--85a85a8c-ee99-5722-946d-3c3a3270fc6f', { value: '2001:0db8:85a3:0000:0000:8a2e:0370:7334' }],
    ['domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7', { value: 'example.com', resolves_to_refs: ['x'] }],
    ['mac-addr--757b1725-9903-54f5-a855-1240691d7659', { value: 'd2:fb:49:24:37:18' }],
    ['autonomous-system--3aa27478-50b5-5ab8-9da9-cdc12b657fff', { number: 15139, name: 'Slime Industries' }],
    ['directory--ab82f84a-5afc-5ea7-8d98-9fcbc277eda6', { path: 'C:\\' }],
    [
      'software--710b0b41-d4d0-5d6c-a400-fc9254554ffc',
      { name: 'Word', cpe: 'cpe:2.3:a:microsoft:word:2000:*:*:*:*:*:*:*', version: '2002', vendor: 'Microsoft' },
    ],
    [
      'user-account--f94d689e-707d-58c3-b803-c720bb6ed096',
      { user_id: '1001', account_login: 'jdoe', account_type: 'unix', is_disabled: false },
    ],
    [
      'windows-registry-key--f6a11ddf-fa2b-54c8-97ab-e7f28413095a',
      {
        key: 'hkey_local_machine\\system\\bar\\foo',
        values: [
          { name: 'Foo', data: 'qwerty', data_type: 'REG_SZ' },
          { name: 'Bar', data: '42', data_type: 'REG_DWORD' },
        ],
      },
    ],
  ]
  for (const [id, object] of examples) assert.equal(deterministicId({ ...object, type: id.slice(0, -38) }), id)
  const file = { type: 'file', hashes: { 'SHA-256': 'a'.repeat(64), MD5: 'b'.repeat(32) }, name: 'é', size: 7 }
  assert.equal(deterministicId(file), deterministicId({ ...file, hashes: { MD5: 'b'.repeat(32) }, size: 8 }))
  assert.notEqual(deterministicId(file), deterministicId({ ...file, name: 'e' }))
  assert.equal(deterministicId({ type: 'process', pid: 7 }), undefined)
  assert.equal(deterministicId({ type: 'malware', name: 'x' }), undefined)
  assert.equal(deterministicId({ type: 'file', hashes: { x_a: '1', x_b: '2' } }), undefined)
  assert.equal(deterministicId({ type: 'url', value: 'x'.repeat(200_000) }), undefined)
})
