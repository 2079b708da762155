import { formatCheckpoint } from '@entente/verify/tlog'
import { TestTree } from '../packages/entente/ledger/conformance/tree.ts'
import { openEmbeddedAnchor } from '../packages/entente/ledger/evm/embedded/anchor.ts'
import { folderSize } from './folder-size.ts'
import type { Figure } from './report.ts'
import { quantile } from './statistics.ts'

const ORIGIN = 'bench.example/log'
/** Log entries between two anchors: the proof of consistency that the contract checks grows with the log, not with this. */
const STEP = 7

/** Anchors one after the other on an embedded ledger, each with its proof of consistency and durable, and what they add to its folder. */
export async function measureLedger(folder: string, quick: boolean): Promise<Figure[]> {
  const anchor = await openEmbeddedAnchor({ id: 'local', folder, origin: ORIGIN, now: Date.now })
  try {
    const tree = new TestTree('bench')
    let size = 0
    const append = async () => {
      size += STEP
      const checkpoint = { size, root: tree.root(size) }
      const note = formatCheckpoint({ origin: ORIGIN, ...checkpoint, extensions: [] })
      const started = performance.now()
      await anchor.append({ ...checkpoint, note }, old => tree.consistency(old, size))
      return performance.now() - started
    }
    for (let i = 0; i < 20; i++) await append()
    const anchors = quick ? 40 : 300
    const before = folderSize(folder)
    const times: number[] = []
    const started = performance.now()
    for (let i = 0; i < anchors; i++) times.push(await append())
    const seconds = (performance.now() - started) / 1000
    const median = quantile(times, 0.5).toFixed(1)
    return [
      {
        figure: '7',
        what: 'anchors on the embedded ledger alone',
        value: anchors / seconds,
        unit: 'anchors/s',
        details: `median ${median} ms, 99th percentile ${quantile(times, 0.99).toFixed(1)} ms, ${anchors} anchors`,
      },
      {
        figure: '7',
        what: 'an anchor on disk',
        value: (folderSize(folder) - before) / anchors,
        unit: 'bytes',
        details: 'growth of the folder, write-ahead log included',
      },
    ]
  } finally {
    await anchor.close()
  }
}
