import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planVote, type Situation } from './plan.ts'

const clique = (validators: number) => Math.floor(validators / 2) + 1
const qbft = (validators: number) => Math.ceil((2 * validators) / 3)
const at = (now: string, wanted: string, minimum = 1, active = now, needed = clique): Situation => ({
  wanted: { validators: [...wanted], minimum },
  validators: [...now],
  active: new Set(active),
  needed,
})
/** As text: the vote, then what waits. */
const shown = (situation: Situation): string => {
  const { vote, waiting } = planVote(situation)
  const sign = ({ address, isValidator }: { address: string; isValidator: boolean }) =>
    `${isValidator ? '+' : '-'}${address}`
  return [vote ? sign(vote) : '', ...waiting.map(one => `${sign(one)} ${one.reason}`)].join(', ')
}

test('one change at a time: additions first, in the order of their addresses', () => {
  assert.equal(shown(at('abc', 'abc')), '')
  assert.equal(shown(at('abc', 'abcd')), '+d')
  assert.equal(shown(at('abcd', 'abc')), '-d')
  assert.equal(shown(at('abc', 'fbdae')), '+d, +e turn, +f turn, -c turn')
})

test('who is away is voted out before who is there', () => {
  assert.equal(shown(at('abcde', 'abc', 1, 'abce')), '-d, -e turn')
})

test("never below the registry's minimum: the new validator comes first, then the old one goes", () => {
  assert.equal(shown(at('abc', 'abd', 3)), '+d, -c minimum')
  assert.equal(shown(at('abcd', 'abd', 3)), '-c')
  assert.equal(shown(at('abc', 'ab', 3)), ', -c minimum')
  // Clique itself would remove the last, and nobody could ever seal again.
  assert.equal(shown(at('a', '', 0)), ', -a minimum')
})

test('from two to one and from one to two', () => {
  assert.equal(shown(at('ab', 'a')), '-b')
  assert.equal(shown(at('ab', 'a', 1, 'b')), ', -b standstill')
  // Nothing can show that the second is there: whoever has a single validator trusts it to come.
  assert.equal(shown(at('a', 'ab')), '+b')
  assert.equal(shown(at('ab', 'abc')), '+c')
})

test('no vote after which too few would be there to go on', () => {
  // Four, one away: a fifth that does not come leaves three, and five need three.
  assert.equal(shown(at('abcd', 'abcdef', 1, 'abc')), '+e, +f turn')
  // It did not come: six need four, and three are there.
  assert.equal(shown(at('abcde', 'abcdef', 1, 'abc')), ', +f standstill')
  // Five, two away: without one more of those who are there four are left, which need three.
  assert.equal(shown(at('abcde', 'bcde', 1, 'abc')), ', -a standstill')
  assert.equal(shown(at('abcde', 'bce', 1, 'abc')), '-d, -a standstill')
  // QBFT: 5 of 7 must be there, and 5 of 6 as well.
  assert.equal(shown(at('abcdef', 'abcdefg', 1, 'abcd', qbft)), ', +g standstill')
  assert.equal(shown(at('abcdef', 'abcdefg', 1, 'abcde', qbft)), '+g')
})

const names = 'abcdefgh'
const sets = fc.subarray([...names])
test('all who follow come to what the registry says, and on the way the set never is too small, nor the chain without those it needs', () => {
  fc.assert(
    fc.property(
      sets.filter(s => s.length > 0),
      sets.filter(s => s.length > 0),
      fc.constantFrom(clique, qbft),
      fc.nat(3),
      (now, wanted, needed, slack) => {
        const minimum = Math.max(1, wanted.length - slack)
        let validators = now
        const started = now.length
        for (let steps = 0; steps <= 2 * names.length; steps++) {
          const { vote, waiting } = planVote({
            wanted: { validators: wanted, minimum },
            validators,
            active: new Set(validators),
            needed,
          })
          if (vote === undefined) {
            assert.deepEqual(waiting, [])
            assert.deepEqual(validators.toSorted(), wanted.toSorted())
            return
          }
          validators = vote.isValidator ? [...validators, vote.address] : validators.filter(v => v !== vote.address)
          assert.ok(validators.length >= Math.min(minimum, started))
          assert.ok(validators.length >= needed(validators.length))
        }
        assert.fail('it does not end')
      },
    ),
    { seed: 20_261_122, numRuns: 500 },
  )
})

test('whoever is away: no vote leaves fewer than are needed, if there were enough before', () => {
  fc.assert(
    fc.property(sets, sets, sets, fc.constantFrom(clique, qbft), (now, wanted, active, needed) => {
      const there = now.filter(one => active.includes(one)).length
      const { vote } = planVote({
        wanted: { validators: wanted, minimum: 1 },
        validators: now,
        active: new Set(active),
        needed,
      })
      if (vote === undefined || there < needed(now.length) || now.length < 2) return
      const left = there - (!vote.isValidator && active.includes(vote.address) ? 1 : 0)
      assert.ok(left >= needed(now.length + (vote.isValidator ? 1 : -1)))
    }),
    { seed: 20_261_122, numRuns: 500 },
  )
})
