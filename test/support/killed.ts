// What tests share that kill a server as by kill -9.
import assert from 'node:assert/strict'
import { loadConfig } from '../../packages/entente/cli/config.ts'
import { defaultOrigin } from '../../packages/entente/cli/identity.ts'
import { ledgerFolder } from '../../packages/entente/cli/ledgers.ts'
import { openEmbeddedAnchor } from '../../packages/entente/ledger/evm/embedded/anchor.ts'
import { audit } from '../../packages/entente/notary/audit.ts'
import { openLogKey } from '../../packages/entente/notary/key.ts'
import { openSqliteStore } from '../../packages/entente/store/sqlite/sqlite.ts'
import { OBJECTS, sampleObjects, type TestServer } from './server.ts'

/** Nothing is wrong in the data folder of a server that does not run. */
export async function auditClean(data: string, file?: string): Promise<void> {
  const { config, paths } = loadConfig({ file, data, env: {} })
  const { vkey, signer } = openLogKey(paths.logKey, defaultOrigin, false)
  const store = openSqliteStore({ path: paths.store, readOnly: true })
  // In this thread, which loads an EVM once: a thread for each audit takes a second of CPU.
  const opened = config.ledgers.map(ledger => {
    assert.equal(ledger.kind, 'embedded')
    const { id, chainId, records } = ledger
    const folder = ledgerFolder(ledger, paths)
    return openEmbeddedAnchor({ id, chainId, records, folder, origin: signer.name, now: Date.now, worker: false })
  })
  const anchors = await Promise.all(opened)
  try {
    const { problems } = await audit({ store, vkey, anchors })
    assert.deepEqual(problems, [])
  } finally {
    for (const a of anchors) await a.close()
    await store.close()
  }
}

/** Posts until the server dies; returns the ids whose 202 arrived, and those whose fate is unknown. */
export async function postUntilDeath(
  server: TestServer,
  from: number,
  acknowledged: Set<string>,
  unknown: Map<string, unknown>,
): Promise<number> {
  let next = from
  const poster = async () => {
    for (;;) {
      const objects = sampleObjects(2, next)
      next += 2
      for (const o of objects) unknown.set(o['id'] as string, o)
      const answer = await server.request('POST', OBJECTS, { objects }).catch(() => undefined)
      if (!answer) return
      if (answer.status !== 202) {
        await server.kill() // or the test would wait for its end
        assert.fail(`${answer.status}: ${answer.text}`)
      }
      for (const o of objects) {
        acknowledged.add(o['id'] as string)
        unknown.delete(o['id'] as string)
      }
    }
  }
  await Promise.all([poster(), poster(), poster()])
  return next
}
