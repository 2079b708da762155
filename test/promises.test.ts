// docs/security.md: every cell of the table of promises that says more than a dash names tests, and they are there.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../tools/files.ts'

const lines = readFileSync(join(root, 'docs/security.md'), 'utf8').split('\n')

/** The rows of the table under this header, as cells. */
function table(header: string): string[][] {
  const start = lines.findIndex(line => line.startsWith(header))
  assert.ok(start >= 0, `a table that begins with "${header}"`)
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'))
  return lines.slice(start + 2, end).map(line =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

/** Id -> file and name, of `| 1a | [file](../path): `name` |`. */
const tests = new Map(
  table('| | test |').map(([id = '', where = '']) => {
    const [, path = '', name = ''] = /^\[[^\]]+\]\(\.\.\/([^)]+)\): ``?(.+?)``?$/.exec(where) ?? []
    return [id, { path, name }]
  }),
)
const promises = table('| promise |')
const ADVERSARIES = 4

test('all eight promises are there, and every cell is a dash or names a test', () => {
  assert.deepEqual(
    promises.map(([promise]) => promise?.split(' ')[0]),
    ['1', '2', '3', '4', '5', '6', '7', '8'],
  )
  const used = new Set<string>()
  for (const [promise, ...cells] of promises) {
    const tested = cells.slice(0, ADVERSARIES)
    assert.equal(tested.length, ADVERSARIES, promise)
    for (const cell of tested) {
      const links = [...cell.matchAll(/\[(\d[a-z])\]\(\.\.\/([^)]+)\)/g)]
      assert.ok(cell === '–' || links.length > 0, `"${promise}": "${cell}" names no test`)
      for (const [, id = '', path] of links) {
        assert.equal(tests.get(id)?.path, path, `${id} in "${promise}"`)
        used.add(id)
      }
    }
  }
  assert.deepEqual(
    [...tests.keys()].filter(id => !used.has(id)),
    [],
    'tests that no cell names',
  )
})

test('each named test is in its file, and is not left out', () => {
  for (const [id, { path, name }] of tests) {
    const file = join(root, path)
    assert.ok(path !== '' && existsSync(file), `${id}: ${path}`)
    const source = readFileSync(file, 'utf8')
    const forms = path.endsWith('.sol')
      ? [`function ${name}(`]
      : ["'", '"', '`'].map(quote => `test(${quote}${name}${quote}, `)
    const form = forms.find(text => source.includes(text))
    assert.ok(form !== undefined, `${id}: ${path} has no test "${name}"`)
    const begins = source.slice(source.indexOf(form) + form.length).split('\n')[0] as string
    assert.doesNotMatch(begins, /^\{[^}]*\b(skip: true|todo)\b/, `${id} is left out`)
  }
})
