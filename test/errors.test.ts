// docs/errors.md and the code name the same errors, both ways.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { sources } from '../tools/files.ts'

const documented = new Map<string, Set<string>>()
let current = ''
for (const line of readFileSync(join(import.meta.dirname, '..', 'docs', 'errors.md'), 'utf8').split('\n')) {
  current = /^## (\w+)/.exec(line)?.[1] ?? current
  const code = /^\| `([a-z0-9-]+)` \|/.exec(line)?.[1]
  if (code !== undefined) documented.set(current, (documented.get(current) ?? new Set()).add(code))
}

const coded = new Map<string, Set<string>>()
for (const file of sources('packages')) {
  for (const [, name = '', union = ''] of readFileSync(file, 'utf8').matchAll(
    /export type (\w+Error)Code =([^=]*?)(?=\n\n|\n\/\*\*|\nexport|\ntype)/g,
  )) {
    const codes = [...union.replaceAll(/\/\*[\s\S]*?\*\//g, '').matchAll(/'([^']+)'/g)].map(m => m[1] as string)
    if (codes.length > 0) coded.set(name, new Set(codes))
  }
}
// CliError's codes are the names of the exit codes.
coded.set('CliError', new Set(['no', 'usage', 'unreachable', 'evidence']))

test('every error class of the code is documented, and no other', () => {
  assert.deepEqual([...documented.keys()].sort(), [...coded.keys()].sort())
})
for (const [name, codes] of coded) {
  test(`${name}: the same codes in docs/errors.md and in the code`, () => {
    assert.deepEqual([...(documented.get(name) ?? [])].sort(), [...codes].sort())
  })
}
