import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ProductError } from '../error.ts'
import { compareVersions, VERSION_TYPES } from './order.ts'
import { formatVers, isInVers, parseVers } from './vers.ts'

const refuses = (run: () => unknown, code: string) =>
  assert.throws(run, (error: unknown) => error instanceof ProductError && error.code === code)

/** Ascending; what stands together is equal. */
const ASCENDING: Readonly<Record<string, readonly (string | readonly string[])[]>> = {
  // semver.org, 11.4
  semver: [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    ['1.0.0', '1.0.0+b7'],
    '2.0.0',
  ],
  golang: ['v1.2.3-0.20200101000000-abcdefabcdef', ['v1.2.3', '1.2.3'], 'v1.10.0'],
  // PEP 440, "Summary of permitted suffixes and relative ordering"
  pypi: [
    '1.dev0',
    '1.0.dev456',
    '1.0a1',
    '1.0a2.dev456',
    '1.0b1.dev456',
    '1.0rc1',
    ['1.0', '1.0.0'],
    '1.0+abc.5',
    '1.0.post456',
    '1.1.dev1',
    '1!0.1',
  ],
  // deb-version(7): the tilde before all, even the end; then letters, then the rest
  deb: [
    '1.0~~',
    '1.0~~a',
    '1.0~rc1',
    ['1.0', '0:1.0', '1.0-'],
    '1.0-1',
    '1.0-1+deb12u1',
    '1.0-10',
    '1.0a',
    '1.0+dfsg',
    '1.0.1',
    '1.010',
    '1:0.1',
  ],
  // rpm-version(7)
  rpm: [
    '1.0~rc1',
    ['1.0', '1_0', '1.00'],
    '1.0^git1',
    '1.0.a',
    '1.0.1-1.el9',
    '1.0.1-1.el9_4',
    '1.0.1-2',
    '2.0',
    '1:0.1',
  ],
  // Maven POM reference, "Version Order Specification"
  maven: [
    '1-alpha-1',
    ['1-beta', '1b0'],
    '1-milestone',
    ['1-rc', '1-cr'],
    '1-SNAPSHOT',
    ['1', '1.0', '1-ga', '1.0.0-final'],
    '1-sp',
    '1-foo1',
    '1-foo10',
    '1-1',
    '1.1',
    '1.10',
    '2',
  ],
  generic: [['1', 'v1', '1.0', '1.00.0'], '1.2', '1.10', '2.0.0.1', '10'],
}

for (const [type, list] of Object.entries(ASCENDING)) {
  test(`${type}: the order that its specification has`, () => {
    const groups = list.map(each => (typeof each === 'string' ? [each] : each))
    for (const [i, one] of groups.entries()) {
      for (const [j, other] of groups.entries()) {
        for (const a of one) {
          for (const b of other) {
            assert.equal(Math.sign(compareVersions(type, a, b)), Math.sign(i - j), `${a} and ${b}`)
          }
        }
      }
    }
  })
}

test('every order is one: whatever versions are compared, and no time is lost on any', () => {
  const part = fc.stringMatching(/^[0-9a-z.~^+:-]{0,12}$/)
  const version = fc.oneof(
    part,
    fc.tuple(part, part).map(([a, b]) => `1.${a}-${b}`),
    fc.constant('9'.repeat(250)),
  )
  fc.assert(
    fc.property(fc.constantFrom(...VERSION_TYPES), version, version, version, (type, a, b, c) => {
      try {
        const [ab, ba] = [compareVersions(type, a, b), compareVersions(type, b, a)]
        assert.equal(Math.sign(ab) + Math.sign(ba), 0, `${type} ${a} ${b}`)
        // A release that is not said is any in RPM, so its order is none between releases.
        const isWhole = type !== 'rpm' || [a, b, c].every(each => each.includes('-'))
        if (isWhole && ab <= 0 && compareVersions(type, b, c) <= 0)
          assert.ok(compareVersions(type, a, c) <= 0, `${type} ${a} ${b} ${c}`)
      } catch (error) {
        if (!(error instanceof ProductError)) throw error
        assert.equal(error.code, 'unsupported')
      }
    }),
    { seed: 33, numRuns: 3_000 },
  )
})

test('rpm: a version without a release is all its releases, so that `<=1.0.1` has 1.0.1-1', () => {
  assert.equal(compareVersions('rpm', '1.0.1', '1.0.1-1.el9'), 0)
  assert.ok(isInVers(parseVers('vers:rpm/<=1.0.1'), '1.0.1-7'))
})

test('types and versions whose order is not known are refused', () => {
  refuses(() => compareVersions('gem', '1', '2'), 'unsupported')
  refuses(() => compareVersions('generic', '1.0', '1.0-beta'), 'unsupported')
  refuses(() => compareVersions('semver', '1', '1.0.0'), 'unsupported')
  refuses(() => compareVersions('deb', '1', 'x'.repeat(257)), 'unsupported')
  refuses(() => compareVersions('maven', '1', ''), 'unsupported')
})

test('VERS: what is in a range', () => {
  const range = 'vers:npm/1.2.3|>=2.0.0|!=2.2.1|<5.0.0'
  const isIn = (version: string) => isInVers(parseVers(range), version)
  assert.deepEqual(['1.2.3', '2.0.0', '2.2.0', '4.9.9'].map(isIn), [true, true, true, true])
  assert.deepEqual(['1.2.2', '1.2.4', '2.2.1', '5.0.0', '5.0.1'].map(isIn), [false, false, false, false, false])
  const cases: [vers: string, version: string, isIn: boolean][] = [
    ['vers:deb/*', '1:0', true],
    ['vers:generic/<=1.4', '1.4.0', true],
    ['vers:generic/<1.4', '1.4', false],
    ['vers:generic/>1.4', '1.4.1', true],
    ['vers:generic/>1|<2|>3|<4', '2.5', false],
    ['vers:generic/>1|<2|>3|<4', '3.5', true],
    ['vers:generic/!=2', '3', true],
    ['vers:generic/!=2', '2.0', false],
    ['vers:generic/1|2', '3', false],
    ['vers:generic/<1|>=3', '0.1', true],
    ['vers:generic/<1|>=3', '2', false],
    ['vers:generic/<1|>=3', '3', true],
    ['vers:pypi/>=3.0.0|2.0.3', '2.0.3', true],
    ['vers:deb/1%2A2', '1*2', true],
  ]
  for (const [vers, version, expected] of cases) {
    assert.equal(isInVers(parseVers(vers), version), expected, `${version} in ${vers}`)
    assert.deepEqual(parseVers(formatVers(parseVers(vers))), parseVers(vers))
  }
  refuses(() => isInVers(parseVers('vers:generic/<2'), '1-beta'), 'unsupported')
})

test('VERS: what is none', () => {
  for (const text of [
    'npm/1.0.0',
    'vers:npm',
    'vers:npm/',
    'vers:/1',
    'vers:n pm/1',
    'vers:npm/=1.0.0',
    'vers:npm/1.0.0|',
    'vers:npm/1.0.0|1.0.0',
    'vers:npm/*|1.0.0',
    'vers:npm/>=1.0.0|>=2.0.0',
    'vers:npm/<1.0.0|<2.0.0',
    'vers:npm/>=2.0.0|<1.0.0',
    'vers:npm/1.0.0|<2.0.0',
    'vers:generic/%',
    'vers:generic/> 1',
    'vers:generic/>=',
  ])
    refuses(() => parseVers(text), 'syntax')
  refuses(() => parseVers('vers:gem/1'), 'unsupported')
  refuses(() => parseVers('vers:npm/latest'), 'unsupported')
  refuses(() => parseVers(`vers:generic/${Array.from({ length: 1_001 }, (_, i) => i).join('|')}`), 'too-big')
})
