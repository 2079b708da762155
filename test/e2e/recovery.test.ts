// Faults of disk and file, and the way back that docs/operating.md describes ("Recovery"): each test does what is written there.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, suite, test } from 'node:test'
import {
  complete,
  OBJECTS,
  root,
  sampleObjects,
  startEntente,
  temporaryFolder,
  type TestServer,
} from '../support/server.ts'
import { createRandom } from '../support/random.ts'

type After = { after(f: () => void): void }

/** The real command, as it is written in the documentation. */
function entente(...args: string[]): { code: number | null; out: string; err: string } {
  const main = join(root, 'packages/entente/cli/entente.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: root })
  return { code: status, out: stdout, err: stderr }
}

/** A file system of its own of so many bytes, or the reason why there can be none. */
function smallDisk(t: After, bytes: number): { folder: string } | string {
  const folder = mkdtempSync(join(tmpdir(), 'entente-test-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]).status === 0
  t.after(() => {
    if (mounted) spawnSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  })
  if (!mounted) return 'no small file system: mounting a tmpfs needs root'
  return { folder }
}

const publish = (server: TestServer, from: number, count = 20) =>
  server.request('POST', OBJECTS, { objects: sampleObjects(count, from) })

test('disk full at each write: 503, reading goes on, and with room again it continues without a restart', {
  timeout: 60_000,
}, async t => {
  const disk = smallDisk(t, 12_000_000)
  if (typeof disk === 'string') return t.skip(disk)
  const data = join(disk.folder, 'data')
  const ballast = join(disk.folder, 'ballast')
  const server = await startEntente(data)
  t.after(() => server.kill())
  await complete(server, (await publish(server, 0)).json.id as string, 200)
  let stored = 20
  let refused = 0
  for (let pages = 0; pages < 24; pages++) {
    // As many pages are left as make the next write fail that a POST needs: of the store, of its journal, of the ledger.
    rmSync(ballast, { force: true })
    const { bavail, bsize } = statfsSync(disk.folder)
    writeFileSync(ballast, Buffer.alloc(Math.max(0, (bavail - pages * 2) * bsize)))
    const { status, json } = await publish(server, stored)
    assert.ok(status === 202 || status === 503, `${pages} pages left: ${status} ${JSON.stringify(json)}`)
    const { headers, json: list } = await server.request('GET', `${OBJECTS}?limit=1000`)
    assert.equal(headers.get('x-entente-withheld'), null)
    if (status === 202) stored += 20
    else {
      refused++
      assert.equal(json.error_code, 'unavailable')
      assert.match(json.description as string, /full/)
    }
    assert.equal(list.objects.length, stored, 'nothing is stored in part')
  }
  assert.ok(refused > 3, `${refused} were refused`)
  // Commands as well: the file of users stays as it was.
  rmSync(ballast, { force: true })
  const { bavail, bsize } = statfsSync(disk.folder)
  writeFileSync(ballast, Buffer.alloc(bavail * bsize))
  const users = readFileSync(join(data, 'users.json'), 'utf8')
  assert.notEqual(entente('user', 'add', 'somebody', '--generate', '--data', data).code, 0)
  assert.equal(readFileSync(join(data, 'users.json'), 'utf8'), users)

  rmSync(ballast)
  const { status, json } = await publish(server, stored)
  assert.equal(status, 202)
  await complete(server, json.id as string, 200)
  await server.stop()
  const { code, out } = entente('audit', '--data', data)
  assert.equal(code, 0, out)
})

test('a data folder that is read-only: the start says so, and goes on once it can be written', {
  timeout: 60_000,
}, async t => {
  const disk = smallDisk(t, 12_000_000)
  if (typeof disk === 'string') return t.skip(disk)
  const data = join(disk.folder, 'data')
  const first = await startEntente(data)
  await publish(first, 0)
  await first.stop()
  const remount = (mode: 'ro' | 'rw') =>
    assert.equal(spawnSync('mount', ['-o', `remount,${mode}`, disk.folder]).status, 0)
  remount('ro')
  await assert.rejects(startEntente(data), /can't be written: give this process the right to/)
  remount('rw')
  const again = await startEntente(data)
  t.after(() => again.kill())
  assert.equal((await publish(again, 100)).status, 202)
  await again.stop()
})

suite('a damaged store.db', { concurrency: false }, () => {
  let original: string
  let backup: string
  const objects = sampleObjects(60)
  before(async () => {
    const folder = temporaryFolder({ after: f => process.once('exit', f) })
    original = join(folder, 'data')
    backup = join(folder, 'backup')
    const server = await startEntente(original)
    for (let at = 0; at < 60; at += 4)
      await server.request('POST', OBJECTS, { objects: [...objects.slice(at, at + 4), large(at)] })
    await complete(server, (await publish(server, 0, 1)).json.id as string, 200)
    const made = entente('backup', '--data', original, '--to', backup)
    assert.equal(made.code, 0, made.err)
    await server.stop()
  })
  const copy = (t: After): string => {
    const data = join(temporaryFolder(t), 'data')
    cpSync(original, data, { recursive: true })
    return data
  }

  test('a corrupted tile and a corrupted entry bundle: repaired without a copy', { timeout: 60_000 }, async t => {
    const data = copy(t)
    const db = new DatabaseSync(join(data, 'store.db'))
    db.exec(
      `update tile set data = zeroblob(length(data)) where tree = 0; update bundle set data = zeroblob(length(data))`,
    )
    db.close()
    await assert.rejects(startEntente(data), /contradicts itself.*entente audit/s)
    assert.equal(entente('audit', '--data', data).code, 4)
    const { code, out, err } = entente('repair', '--data', data)
    assert.equal(code, 0, out + err)
    await servesAll(data, t)
  })

  for (let seed = 1; seed <= 4; seed++)
    test(`corrupted pages, seed ${seed}: no wrong answer, and all of it comes back`, { timeout: 60_000 }, async t => {
      const data = copy(t)
      const file = join(data, 'store.db')
      const hit = flip(file, seed)
      const answers = await readAll(data)
      t.diagnostic(`${hit}: ${answers}`)
      const audited = entente('audit', '--data', data)
      assert.notEqual(audited.code, 0, 'the audit finds it')
      assert.match(audited.out + audited.err, /PROBLEM|entente repair/)
      const { code, out, err } = entente('repair', '--data', data, '--from', backup)
      assert.equal(code, 0, out + err)
      await servesAll(data, t)
    })

  test('a file that is no database any more: restored from the backup', { timeout: 60_000 }, async t => {
    const data = copy(t)
    writeFileSync(join(data, 'store.db'), Buffer.alloc(100_000, 7))
    await assert.rejects(startEntente(data), /store\.db: file is not a database.*entente repair/s)
    renameSync(data, `${data}-lost`)
    const { code, out, err } = entente('restore', '--from', backup, '--data', data)
    assert.equal(code, 0, out + err)
    await servesAll(data, t)
  })

  /** An object whose row needs overflow pages. */
  const large = (at: number) => ({ ...sampleObjects(1, 1000 + at)[0], description: 'x'.repeat(20_000) })

  /** Changes bytes on some pages of the file, the first excepted. @returns what was hit */
  function flip(file: string, seed: number): string {
    const random = createRandom(seed)
    const pages = statSync(file).size / 4096
    const fd = openSync(file, 'r+')
    const hit: number[] = []
    for (let n = 0; n < 3; n++) {
      const page = 1 + random.int(pages - 1)
      const byte = Buffer.alloc(8)
      const at = page * 4096 + (n === 0 ? 0 : random.int(4088))
      readSync(fd, byte, 0, 8, at)
      writeSync(
        fd,
        byte.map(b => b ^ (1 + random.int(255))),
        0,
        8,
        at,
      )
      hit.push(page)
    }
    closeSync(fd)
    return `pages ${hit.join(', ')} of ${pages}`
  }

  /** Asks for everything: each answer is the object that was published, or an error. */
  async function readAll(data: string): Promise<string> {
    let server: TestServer
    try {
      server = await startEntente(data)
    } catch (error) {
      assert.match((error as Error).message, /entente (audit|repair)/, 'the start says the way out')
      return 'the server does not start'
    }
    const counts: Record<number, number> = {}
    for (const object of objects) {
      const { status, json } = await server.request('GET', `${OBJECTS}${object['id']}/`)
      counts[status] = (counts[status] ?? 0) + 1
      if (status === 200) assert.deepEqual(json.objects, [object])
      else assert.ok([404, 500, 503].includes(status), String(status))
    }
    const list = await server.request('GET', `${OBJECTS}?limit=1000`)
    for (const object of (list.json.objects ?? []) as { id: string }[])
      if (!('description' in object))
        assert.deepEqual(
          object,
          objects.find(o => o['id'] === object.id),
        )
    await server.stop()
    return JSON.stringify(counts)
  }

  async function servesAll(data: string, t: After): Promise<void> {
    const audited = entente('audit', '--data', data)
    assert.equal(audited.code, 0, audited.out)
    const server = await startEntente(data)
    t.after(() => void server.kill())
    const { json, headers } = await server.request('GET', `${OBJECTS}?limit=1000`)
    assert.equal(headers.get('x-entente-withheld'), null)
    assert.deepEqual(
      (json.objects as object[]).filter(o => !('description' in o)),
      objects,
    )
    assert.equal((await publish(server, 5000, 1)).status, 202)
    await server.stop()
  }
})
