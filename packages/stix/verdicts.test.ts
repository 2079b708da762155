import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { mutations } from './test/mutations.ts'
import { validateObject } from './validate.ts'

/** Our side of `test/verdicts.md`, where `test/compare.ts` has put both: no Python here. */
const lines = readFileSync(join(import.meta.dirname, 'test/verdicts.md'), 'utf8').split('\n')
const data = join(import.meta.dirname, '../../../shared/data')

/** `v12x3` written out. */
const spelled = (runs: string): string => {
  let codes = ''
  for (const [, code = '', length] of runs.matchAll(/([vxslVX])(\d*)/g)) codes += code.repeat(Number(length || 1))
  return codes
}
const accepted = (code: string): boolean => 'vlV'.includes(code)
const all = mutations()

test('there are 2,000 mutations and more, the same every time', () => {
  assert.ok(all.length >= 2_000, `${all.length}`)
  assert.deepEqual(mutations(), all)
})

test('our verdict on each mutation is the one of the table', () => {
  const start = lines.indexOf('```')
  const expected = new Map(
    lines.slice(start + 1, lines.indexOf('```', start + 1)).map(line => {
      const bar = line.lastIndexOf(' | ')
      return [line.slice(0, bar), spelled(line.slice(bar + 3))]
    }),
  )
  const seen = new Map<string, number>()
  for (const { kind, object } of all) {
    const at = seen.get(kind) ?? 0
    seen.set(kind, at + 1)
    const code = expected.get(kind)?.[at]
    assert.ok(code !== undefined, `${kind} ${at} is not in the table: run compare.ts`)
    const { valid, findings } = validateObject(object)
    const message = `${kind} ${at}: ${JSON.stringify(object)} ${JSON.stringify(findings)}`
    assert.equal(valid, accepted(code), message)
    // Warnings change no verdict, and no policy lets less through than a stricter one.
    assert.equal(validateObject(object, { warnings: false }).valid, valid, message)
    if (valid) assert.ok(validateObject(object, { policy: 'permissive' }).valid, message)
    else assert.ok(!validateObject(object, { policy: 'strict' }).valid, message)
  }
  assert.deepEqual(
    [...expected].map(([kind, codes]) => [kind, codes.length]),
    [...seen],
  )
})

test('our verdicts on the files are those of the table', t => {
  const rows = lines.filter(line => /^\| (?:attack|stix-examples)\//.test(line))
  assert.ok(rows.length >= 14, `${rows.length} files`)
  for (const row of rows) {
    const [name = '', objects = 0, v = 0, x = 0, s = 0, l = 0, failedX = 0, failedV = 0] = row
      .split('|')
      .slice(1, -1)
      .map((cell, at) => (at === 0 ? cell.trim() : Number(cell)))
    const file = join(data, String(name))
    if (!existsSync(file)) return t.skip(`no data: ${String(name)} is not beside the project`)
    const content = JSON.parse(readFileSync(file, 'utf8')) as { type: string; objects?: object[] }
    const members = content.type === 'bundle' ? (content.objects ?? []) : [content]
    const valid = members.filter(object => validateObject(object, { warnings: false }).valid).length
    assert.deepEqual([members.length, valid], [objects, Number(v) + Number(l) + Number(failedV)], String(name))
    assert.equal(members.length - valid, Number(x) + Number(s) + Number(failedX), String(name))
  }
})
