import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CliError } from './errors.ts'
import { readObjects } from './input.ts'

async function read(t: TestContext, text: string | Uint8Array): Promise<{ groups: number; objects: object[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'entente-input-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'file'), text)
  const objects: object[] = []
  let groups = 0
  for await (const group of readObjects(join(folder, 'file'))) {
    groups++
    objects.push(...group)
  }
  return { groups, objects }
}

const thousands = Array.from({ length: 4000 }, (_, i) => ({ type: 'x', id: `x--${i}`, text: 'ü€😀 "\\n" '.repeat(30) }))

test('documents and lines larger than a chunk of the file', async t => {
  const lines = thousands.map(o => JSON.stringify(o))
  assert.ok(lines.join('\n').length > 1 << 20)
  assert.deepEqual(await read(t, lines.join('\n')), { groups: 4000, objects: thousands })
  assert.deepEqual(await read(t, `${lines.join('\r\n\r\n')}\r\n\n`), { groups: 4000, objects: thousands })
  assert.deepEqual(await read(t, JSON.stringify(thousands)), { groups: 1, objects: thousands })
  assert.deepEqual(await read(t, `${JSON.stringify({ objects: thousands }, null, 1)}\n\n`), {
    groups: 1,
    objects: thousands,
  })
})

test('small ones: an object, a list, an empty bundle, one line', async t => {
  const one = { type: 'x', id: 'x--1' }
  for (const text of [
    JSON.stringify(one),
    `${JSON.stringify(one)}\n`,
    JSON.stringify([one], null, 2),
    `\n${JSON.stringify(one)}`,
  ])
    assert.deepEqual((await read(t, text)).objects, [one], JSON.stringify(text))
  assert.deepEqual(await read(t, '{"type":"bundle","id":"bundle--1"}'), { groups: 1, objects: [] })
  assert.deepEqual(await read(t, '{}\n'), { groups: 1, objects: [] })
})

test('what is refused, with its place', async t => {
  const cases: [string | Uint8Array, RegExp][] = [
    ['', /file: not JSON/],
    ['[1]', /this is no STIX/],
    ['{"objects":{}}', /this is no STIX/],
    ['"text"', /this is no STIX/],
    ['{"type":"x","n":12345678901234567890}', /file: /],
    ['\ufeff{"type":"x"}', /not JSON/],
    [Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/],
    ['{"type":"x"}\n{"type":"x"}\n{', /file, line 3: not JSON/],
    ['{"type":"x"}\n\n{"type":"x","type":"y"}\n', /file, line 3: the key "type" is there twice/],
  ]
  for (const [text, message] of cases)
    await assert.rejects(
      read(t, text),
      (e: unknown) => e instanceof CliError && e.code === 'usage' && message.test(e.message),
      String(text),
    )
  await assert.rejects(readObjects('/no/such/file').next(), {
    name: 'CliError',
    code: 'usage',
    message: /no such file/,
  })
  await assert.rejects(readObjects(tmpdir()).next(), { name: 'CliError', code: 'usage', message: /directory/ })
})
