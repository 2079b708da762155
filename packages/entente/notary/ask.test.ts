import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAsk } from './ask.ts'

test('who comes while one is under way shares the next one, and nobody gets an answer that is older than the question', async () => {
  const answers: ((n: number) => void)[] = []
  const ask = createAsk(() => new Promise<number>(resolve => answers.push(resolve)))
  const first = ask()
  const [second, third] = [ask(), ask()]
  assert.equal(answers.length, 1)
  answers[0]?.(1)
  assert.equal(await first, 1)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(answers.length, 2)
  const fourth = ask()
  answers[1]?.(2)
  assert.deepEqual(await Promise.all([second, third]), [2, 2])
  await new Promise(resolve => setImmediate(resolve))
  answers[2]?.(3)
  assert.equal(await fourth, 3)
  assert.equal(answers.length, 3)
  const fifth = ask()
  answers[3]?.(4)
  assert.equal(await fifth, 4)
})

test('one that fails fails for those who asked, and the next is asked', async () => {
  let asked = 0
  const ask = createAsk(async () => {
    if (++asked === 1) throw new Error('away')
    return asked
  })
  const [first, second] = [ask(), ask()]
  await assert.rejects(first, /away/)
  assert.equal(await second, 2)
  assert.equal(await ask(), 3)
})
