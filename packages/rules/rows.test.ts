// Every row of the table has its rules, and tests that obey them and that break them.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as rules from './index.ts'
import { ROWS } from './rows.ts'

const tests = readdirSync(import.meta.dirname)
  .filter(f => f.endsWith('.test.ts') && f !== 'rows.test.ts')
  .map(f => readFileSync(join(import.meta.dirname, f), 'utf8'))
  .join('\n')

test('there are 35 rows', () => {
  assert.deepEqual(
    Object.keys(ROWS).map(Number),
    Array.from({ length: 35 }, (_, i) => i + 1),
  )
})

for (const [row, { action, by }] of Object.entries(ROWS))
  test(`row ${row} (${action}) is a rule that is exported, obeyed in a test and broken in one`, () => {
    for (const name of by) assert.equal(typeof (rules as Record<string, unknown>)[name], 'function', name)
    assert.match(tests, new RegExp(`'row ${row}: |"row ${row}: `))
    assert.ok(tests.includes(`refuses(${row}, `))
    for (const name of by) assert.match(tests, new RegExp(`\\b${name}\\(`))
  })

test('every function that takes a call belongs to a row', () => {
  const known = new Set(Object.values(ROWS).flatMap(({ by }) => by))
  const helpers = [
    'found',
    'attest',
    'invokeRule',
    'createMemory',
    'checkArguments',
    'commit',
    'isEmbargoed',
    'certificateState',
    'isId',
    'isInForce',
    'labelId',
    'approvalId',
    'versionId',
    'recognitionId',
    'recognitionState',
    'quorum',
  ]
  for (const [name, value] of Object.entries(rules))
    if (typeof value === 'function' && !String(value).startsWith('class'))
      assert.ok(known.has(name) || helpers.includes(name), name)
})

const root = join(import.meta.dirname, '..', '..')
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8')

test('docs/rules.md has every row as it is here, with files that exist', () => {
  const lines = read('docs', 'rules.md').split('\n')
  const fabric = read('test', 'federation', 'fabric.test.ts')
  for (const [row, { action, by }] of Object.entries(ROWS)) {
    const line = lines.find(l => l.startsWith(`| ${row} | ${action} | `))
    assert.ok(line, `row ${row}`)
    for (const name of by) assert.ok(line.includes(`\`${name}\``), name)
    const paths = [...line.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, path = '']) => path)
    for (const path of paths) assert.ok(existsSync(join(root, path)), path)
    for (const folder of ['packages/rules', 'contracts/src', 'test/federation', 'contracts/test'])
      assert.ok(
        paths.some(path => path.startsWith(`${folder}/`)),
        `row ${row} has no link to ${folder}`,
      )
    const foundry = paths.find(path => path.startsWith('contracts/test/')) as string
    assert.ok(rowsOf(read(foundry)).has(Number(row)), `${foundry} has no test of row ${row}`)
    assert.ok(fabric.includes(` obeys(${row}, `) && fabric.includes(` refuses(${row}, `), `row ${row} on Fabric`)
  }
})

/** Rows that tests of a Solidity file name: `_row18`, `_rows27and28`, `_rows8to11`. */
function rowsOf(source: string): Set<number> {
  const rows = new Set<number>()
  for (const [, first, word, last] of source.matchAll(/_rows?([0-9]+)(?:(to|and)([0-9]+))?\(/g))
    for (let n = Number(first); n <= Number(last ?? first); n += word === 'and' ? Number(last) - Number(first) : 1)
      rows.add(n)
  return rows
}
