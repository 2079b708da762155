import { mkdtempSync } from 'node:fs'
const folder = process.argv[2] ?? mkdtempSync('/tmp/emb-')
const t0 = performance.now()
const { openEmbeddedAnchor } = await import('#ledger/evm/embedded/anchor.ts')
const t1 = performance.now()
const rss0 = process.memoryUsage().rss
const a = await openEmbeddedAnchor({
  id: 'x',
  origin: 'o',
  folder,
  now: Date.now,
  worker: process.argv[3] !== 'inline',
})
console.log(
  'import',
  (t1 - t0).toFixed(0),
  'open',
  (performance.now() - t1).toFixed(0),
  'rss before',
  (rss0 / 1e6).toFixed(0),
  'after',
  (process.memoryUsage().rss / 1e6).toFixed(0),
)
const { createHash } = await import('node:crypto')
const mth = (from: number, to: number): Uint8Array => {
  if (to - from === 1) return createHash('sha256').update(`\0${from}`).digest()
  let k = 1
  while (k * 2 < to - from) k *= 2
  return createHash('sha256')
    .update(Uint8Array.of(1))
    .update(mth(from, from + k))
    .update(mth(from + k, to))
    .digest()
}
for (let n = 1; n <= 256; n *= 2)
  await a
    .append({ size: n, root: mth(0, n), note: '' }, () => {
      const m = n / 2
      return [mth(m, n)]
    })
    .catch(e => console.log(e.code))
console.log('after 9 anchors rss', (process.memoryUsage().rss / 1e6).toFixed(0))
await a.close()
console.log('closed; folder', folder)
