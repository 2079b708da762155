import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createMemoryJournal, openFileJournal } from './journal.ts'

const folder = mkdtempSync(join(tmpdir(), 'entente-journal-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'ledgers', 'quorum.journal')

for (const [name, journal] of [
  ['in memory', createMemoryJournal()],
  ['in a file', openFileJournal(file)],
] as const) {
  test(`a journal ${name} keeps what was written last, and can be emptied`, async () => {
    assert.equal(await journal.read(), undefined)
    await journal.write(new Uint8Array([1, 2, 3]))
    await journal.write(new Uint8Array([4]))
    assert.deepEqual([...((await journal.read()) ?? [])], [4])
    await journal.write(undefined)
    await journal.write(undefined)
    assert.equal(await journal.read(), undefined)
    await journal.write(new Uint8Array(0))
    assert.equal((await journal.read())?.length, 0)
  })
}

test('a journal in a file: another process reads it, only its owner may, and a half-written new value counts for nothing', async () => {
  await openFileJournal(file).write(Buffer.from('signed'))
  writeFileSync(`${file}.new`, 'torn')
  assert.equal(Buffer.from((await openFileJournal(file).read()) ?? []).toString(), 'signed')
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('a changed or cut file is refused, and the message says what to do', async () => {
  const journal = openFileJournal(file)
  await journal.write(Buffer.from('signed'))
  const good = readFileSync(file)
  for (const bad of [good.subarray(0, 20), good.subarray(0, good.length - 1), Buffer.from(good).fill(0, 33, 34)]) {
    writeFileSync(file, bad)
    await assert.rejects(journal.read(), { name: 'LedgerError', code: 'corrupt', message: /remove the file/ })
  }
})
