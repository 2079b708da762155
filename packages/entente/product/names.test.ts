import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCpe, isProduct, parseCpe } from './cpe.ts'
import { ProductError } from './error.ts'
import { isPackage, parsePurl } from './purl.ts'

const refuses = (run: () => unknown) =>
  assert.throws(run, (error: unknown) => error instanceof ProductError && error.code === 'syntax')

test('package URLs are normalised, and a pattern has what it names', () => {
  const purl = parsePurl('pkg:deb/debian/curl@7.50.3-1?distro=jessie&arch=i386')
  assert.equal(purl.text, 'pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie')
  assert.deepEqual([purl.type, purl.namespace, purl.name, purl.version], ['deb', 'debian', 'curl', '7.50.3-1'])
  assert.equal(parsePurl('pkg:PYPI/Django_REST@1').text, 'pkg:pypi/django-rest@1')
  for (const [pattern, expected] of [
    ['pkg:deb/debian/curl', true],
    ['pkg:deb/debian/curl@1.0', true],
    ['pkg:deb/debian/curl?arch=i386', true],
    ['pkg:deb/debian/curl?arch=amd64', false],
    ['pkg:deb/ubuntu/curl', false],
    ['pkg:deb/debian/curl-doc', false],
    ['pkg:generic/curl', false],
  ] as const)
    assert.equal(isPackage(parsePurl(pattern), purl), expected, pattern)
  for (const none of ['', 'npm/a@1', 'pkg:npm', 'pkg:', `pkg:npm/${'a'.repeat(5_000)}`, 'pkg:npm/%zz'])
    refuses(() => parsePurl(none))
})

test('CPE names: both bindings, and patterns that name them', () => {
  const cpe = parseCpe(String.raw`cpe:2.3:a:Microsoft:internet_explorer:8.0.6001:beta:*:*:*:*:*:*`)
  assert.equal(cpe.vendor, 'microsoft')
  // NISTIR 7695, 6: a name in both bindings
  assert.equal(
    formatCpe(parseCpe('cpe:/a:hp:insight_diagnostics:7.4.0.1570:-:~~online~win2003~x64~')),
    String.raw`cpe:2.3:a:hp:insight_diagnostics:7\.4\.0\.1570:-:*:*:online:win2003:x64:*`,
  )
  assert.equal(
    formatCpe(parseCpe('cpe:/a:foo%5cbar:big%24money_manager_2010')),
    String.raw`cpe:2.3:a:foo\\bar:big\$money_manager_2010:*:*:*:*:*:*:*:*`,
  )
  const names = (pattern: string) => isProduct(parseCpe(pattern), cpe)
  assert.ok(names('cpe:2.3:a:microsoft:internet_explorer:*:*:*:*:*:*:*:*'))
  assert.ok(names('cpe:2.3:a:microsoft:internet_explorer:9.0:*:*:*:*:*:*:*'), 'the version is not looked at')
  assert.ok(names('cpe:2.3:a:micro*:*explorer:*:*:*:*:*:*:*:*'))
  assert.ok(names('cpe:2.3:a:microsof?:internet_explorer:*:*:*:*:*:*:*:*'))
  assert.ok(!names('cpe:2.3:a:micr?:internet_explorer:*:*:*:*:*:*:*:*'))
  assert.ok(!names('cpe:2.3:o:microsoft:internet_explorer:*:*:*:*:*:*:*:*'))
  assert.ok(!names('cpe:2.3:a:microsoft:internet_explorer:*:*:*:*:*:windows:*:*'), 'the name leaves that open')
  assert.ok(!names('cpe:2.3:a:microsoft:internet_explorer:*:*:-:*:*:*:*:*'))
  for (const none of [
    '',
    'cpe:2.3:a:b',
    'cpe:2.3:x:b:c:*:*:*:*:*:*:*:*',
    'cpe:2.3:a:b c:c:*:*:*:*:*:*:*:*',
    String.raw`cpe:2.3:a:b:c:*:*:*:*:*:*:*:\ `.trim(),
    'cpe:/a:b:c:d:e:f:g:h',
    'cpe:/a:%zz',
    `cpe:2.3:a:${'b'.repeat(5_000)}:c:*:*:*:*:*:*:*:*`,
  ])
    refuses(() => parseCpe(none))
})
