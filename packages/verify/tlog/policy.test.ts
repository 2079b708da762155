import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testNoteKey } from '../test/sample.ts'
import {
  COSIGNATURE_V1,
  ED25519,
  encodeBase64,
  isWitnessedBy,
  parseVkey,
  parseWitnessPolicy,
  TlogError,
  type WitnessGroup,
} from './index.ts'

const log = testNoteKey('log.example', ED25519).vkey
const [x1, x2, x3, y1, y2] = ['x1', 'x2', 'x3', 'y1', 'y2'].map(
  name => testNoteKey(`${name}.example`, COSIGNATURE_V1).vkey,
) as [string, string, string, string, string]

/** The shape of the example of tlog-policy: two of one group and one of another. */
const POLICY = `# two of X, one of Y
log ${log} https://log.example/

 witness\tX1 ${x1} https://x1.example/witness
witness X2 ${x2}
witness X3 ${x3}
group X 2 X1 X2 X3
witness Y1 ${y1}
witness Y2 ${y2}
group Y any Y1 Y2
group X-and-Y all X Y
quorum X-and-Y
`

const keysOf = (...vkeys: string[]) => {
  const { witnesses } = parseWitnessPolicy(POLICY)
  return vkeys.map(vkey => witnesses.find(key => key.name === parseVkey(vkey).name)!)
}

test('a policy of groups: who must have cosigned', () => {
  const { logs, witnesses, quorum } = parseWitnessPolicy(POLICY)
  assert.deepEqual(
    logs.map(key => key.name),
    ['log.example'],
  )
  assert.equal(witnesses.length, 5)
  const isQuorum = (...vkeys: string[]) =>
    isWitnessedBy(
      quorum as WitnessGroup,
      vkeys.map(vkey => witnesses.find(key => key.name === parseVkey(vkey).name)!),
    )
  assert.ok(isQuorum(x1, x3, y2))
  assert.ok(isQuorum(x1, x2, x3, y1, y2))
  assert.ok(!isQuorum(x1, x2, x3))
  assert.ok(!isQuorum(x1, y1, y2))
  assert.ok(!isQuorum(x1, x1, y1), 'a witness counts once')
  assert.ok(!isQuorum())
  // Keys of another parse, or of somebody else, are not those of this policy.
  assert.ok(!isWitnessedBy(quorum as WitnessGroup, keysOf(x1, x2, y1)))
})

test('no quorum, a quorum of one, and keys of a kind that is not known here', () => {
  assert.equal(parseWitnessPolicy('quorum none').quorum, undefined)
  const one = parseWitnessPolicy(`witness A ${x1}\nquorum A\n`)
  assert.ok(isWitnessedBy(one.quorum as WitnessGroup, one.witnesses))
  // ML-DSA-44 (type 6): the key is longer, and this library can't verify its signatures
  const material = new Uint8Array(1313)
  material[0] = 6
  const unknown = `pq.example+00000000+${encodeBase64(material)}`
  const mixed = parseWitnessPolicy(`witness A ${x1}\nwitness B ${unknown}\ngroup G all A B\nquorum G\n`)
  assert.equal(mixed.witnesses.length, 1)
  assert.ok(!isWitnessedBy(mixed.quorum as WitnessGroup, mixed.witnesses), 'who can not be verified has not cosigned')
  const twice = `witness A ${unknown}\nwitness B ${unknown.replace('pq.example+00000000', 'other+11111111')}\nquorum A\n`
  assert.throws(() => parseWitnessPolicy(twice), isError('policy', /line 2: one key is there twice/))
})

const isError = (code: string, message?: RegExp) => (error: unknown) =>
  error instanceof TlogError && error.code === code && (message === undefined || message.test(error.message))

test('what is no policy, with the line', () => {
  const A = `witness A ${x1}\nwitness B ${x2}\n`
  const bad: [string, RegExp][] = [
    ['', /needs a line "quorum/],
    [A, /needs a line "quorum/],
    [`${A}quorum A\nquorum B\n`, /line 4: a policy has one quorum/],
    [`${A}quorum A B\n`, /line 3/],
    [`${A}quorum C\n`, /line 3: C is not defined/],
    [`quorum A\n${A}`, /line 1: A is not defined/],
    [`${A}group G 3 A B\nquorum G\n`, /line 3: a threshold of 3 of 2/],
    [`${A}group G 0 A B\nquorum G\n`, /line 3/],
    [`${A}group G 01 A B\nquorum G\n`, /line 3/],
    [`${A}group G any\nquorum G\n`, /line 3: a group has at least one member/],
    [`${A}group G any A A\nquorum G\n`, /line 3: A is a member/],
    [`${A}group G any A\ngroup H any A G\nquorum H\n`, /line 4: A is a member/],
    [`${A}group G any G\nquorum G\n`, /line 3: G is not defined/],
    [`${A}group A any B\nquorum A\n`, /line 3: A can't be a name/],
    [`${A}group none any B\nquorum none\n`, /line 3: none can't be a name/],
    [`${A}group G any none\nquorum G\n`, /line 3: none is not defined/],
    [`witness A ${x1} url more\nquorum A\n`, /line 1/],
    [`witness A\nquorum none\n`, /line 1/],
    [`log ${log} url more\nquorum none\n`, /line 1/],
    [`cosigner A ${x1}\nquorum none\n`, /line 1: cosigner is none of/],
    [`quorum none\r\n`, /line 1: a control character/],
    [`# \u0007\nquorum none\n`, /line 1: a control character/],
    [`witness A nokey\nquorum A\n`, /line 1/],
  ]
  for (const [text, message] of bad) assert.throws(() => parseWitnessPolicy(text), isError('malformed', message), text)
  for (const text of [
    `log ${x1}\nquorum none\n`,
    `witness A ${log}\nquorum A\n`,
    `witness A ${x1}\nwitness B ${x1}\nquorum A\n`,
    `log ${log}\nlog ${log}\nquorum none\n`,
  ])
    assert.throws(() => parseWitnessPolicy(text), isError('policy'), text)
  assert.throws(() => parseWitnessPolicy(' '.repeat(2_000_000)), isError('malformed'))
})

test('32 logs, 32 witnesses and 32 groups are taken', () => {
  const names = Array.from({ length: 32 }, (_, i) => `n${i}`)
  const key = (name: string, algorithm: typeof ED25519 | typeof COSIGNATURE_V1) => testNoteKey(name, algorithm).vkey
  const lines = [
    ...names.map(name => `log ${key(`${name}.log`, ED25519)}`),
    ...names.map(name => `witness ${name} ${key(`${name}.witness`, COSIGNATURE_V1)}`),
    ...names.map((name, i) => `group g${i} all ${name}${i === 0 ? '' : ` g${i - 1}`}`),
    'quorum g31',
  ]
  const { witnesses, quorum } = parseWitnessPolicy(lines.join('\n'))
  assert.ok(isWitnessedBy(quorum as WitnessGroup, witnesses))
  assert.ok(!isWitnessedBy(quorum as WitnessGroup, witnesses.slice(1)), 'through 32 groups')
})
