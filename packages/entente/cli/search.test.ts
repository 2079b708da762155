import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { createMatcher, type Needle, searchFolders, withBase64 } from './search.ts'

const needle = (text: string): Needle => ({ what: text, bytes: Buffer.from(text) })

function folder(t: TestContext, files: Record<string, string | Uint8Array>): string {
  const at = mkdtempSync(join(tmpdir(), 'entente-search-'))
  t.after(() => rmSync(at, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(at, name, '..'), { recursive: true })
    writeFileSync(join(at, name), content)
  }
  return at
}
const find = async (at: string, needles: Needle[]) =>
  (await searchFolders([at], needles, () => {})).found.map(f => `${f.file} ${f.what} ${f.offset}`).sort()

test('every place of every needle, as a plain search finds them', () => {
  const text = fc.stringMatching(/^[ab]{0,60}$/)
  fc.assert(
    fc.property(text, fc.array(fc.stringMatching(/^[ab]{4,9}$/), { minLength: 1, maxLength: 5 }), (hay, all) => {
      const texts = [...new Set(all)]
      const expected: string[] = []
      for (const n of texts)
        for (let at = hay.indexOf(n); at >= 0; at = hay.indexOf(n, at + 1)) expected.push(`${n} ${at}`)
      const found: string[] = []
      createMatcher(texts.map(needle)).match(Buffer.from(hay), (n, at) => found.push(`${n.what} ${at}`))
      assert.deepEqual(found.sort(), expected.sort())
    }),
    { seed: 5, numRuns: 500 },
  )
  assert.throws(() => createMatcher([needle('abc')]), RangeError)
})

test('in every file, also where a window ends, once a file', async t => {
  const edge = 1_048_576
  const large = Buffer.alloc(3 * edge, 0x2e)
  for (const at of [edge - 3, 2 * edge - 6, 3 * edge - 6]) large.write('secret', at)
  const at = folder(t, { 'a/b/deep.bin': large, 'end.db-wal': `${'x'.repeat(999)}secret`, 'not.txt': 'secre t' })
  assert.deepEqual(await find(at, [needle('secret'), needle('ecre')]), [
    `a/b/deep.bin ecre ${edge - 2}`,
    `a/b/deep.bin secret ${edge - 3}`,
    'end.db-wal ecre 1000',
    'end.db-wal secret 999',
    'not.txt ecre 1',
  ])
  for (const shift of [0, 1, 2, 5]) {
    const file = Buffer.alloc(2 * edge)
    file.write('secret', edge - shift)
    writeFileSync(join(at, 'end.db-wal'), file)
    assert.ok((await find(at, [needle('secret')])).includes(`end.db-wal secret ${edge - shift}`))
  }
})

test('links are followed, and not in circles', async t => {
  const other = folder(t, { 'ledger/file': 'the secret' })
  const at = folder(t, { empty: '' })
  symlinkSync(join(other, 'ledger'), join(at, 'ledger'))
  symlinkSync(at, join(other, 'ledger', 'back'))
  symlinkSync(join(at, 'nowhere'), join(at, 'dangling'))
  assert.deepEqual(await find(at, [needle('secret')]), ['ledger/file secret 4'])
})

test('base64, wherever in a longer text it stands', async t => {
  const forms = withBase64(needle('a secret that nobody should see >>>???'))
  for (const before of ['', '1', '12', '123']) {
    for (const encoding of ['base64', 'base64url'] as const) {
      const text = Buffer.from(`${before}a secret that nobody should see >>>???${before}`).toString(encoding)
      assert.equal((await find(folder(t, { file: text }), forms)).length > 0, true, `${before} ${encoding}`)
    }
  }
  assert.deepEqual(await find(folder(t, { file: Buffer.from('another secret').toString('base64') }), forms), [])
})
