import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { append } from '../../conformance/anchor.ts'
import { TestTree } from '../../conformance/tree.ts'
import { openEmbeddedAnchor } from './anchor.ts'

/** ENTENTE_ANCHORS=2000 for the numbers in docs/decisions/0002-embedded-ledger.md. */
const ANCHORS = Number(process.env['ENTENTE_ANCHORS'] ?? 100)
/** As many as states are kept, so that pruning has begun. */
const WARM_UP = 64
const BATCH = 137
const MAX_BYTES = 4096

test(`an anchor takes less than ${MAX_BYTES} bytes, forever`, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-growth-'))
  const bytes = () => readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
  const tree = new TestTree('growth')
  const open = () => openEmbeddedAnchor({ id: 'growth', origin: 'log.example/growth', folder, now: Date.now })
  let size = 10_000
  /** Time in the ledger alone: the trees are ready before. */
  const anchorMany = async (count: number): Promise<number> => {
    for (let n = size; n <= size + count * BATCH; n += BATCH) tree.root(n)
    const anchor = await open()
    const start = performance.now()
    for (let i = 0; i < count; i++) await append(anchor, tree, (size += BATCH))
    const ms = performance.now() - start
    await anchor.close()
    return ms
  }
  await anchorMany(WARM_UP)
  const before = bytes()
  const ms = await anchorMany(ANCHORS)
  const each = Math.round((bytes() - before) / ANCHORS)
  const start = performance.now()
  const anchor = await open()
  const opened = performance.now() - start
  await anchor.close()
  t.diagnostic(
    `${ANCHORS} anchors: ${((1000 * ANCHORS) / ms).toFixed(1)}/s, ${each} bytes each, opened again in ${opened.toFixed(0)} ms`,
  )
  assert.ok(each < MAX_BYTES, `${each} bytes an anchor`)
  rmSync(folder, { recursive: true })
})
