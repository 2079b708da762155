// The vectors that contracts/test/Vectors.t.sol reads (transparency-dev/merkle, Apache-2.0), on the chaincode.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { logIdOf, Refusal, rootKey } from './index.ts'
import { createTestLedger, identity } from './test/ledger.ts'

const folder = path.join(import.meta.dirname, '../../shared/data/merkle/testdata')
const skip = existsSync(folder) ? false : 'no vectors at ../shared/data/merkle'
const OWNER = identity('owner')
const ORIGIN = '01'.repeat(32)
const logId = logIdOf(OWNER, ORIGIN)
/** What the contract's storage has where nothing was stored. */
const NO_ROOT = '00'.repeat(32)

type Vector = { wantErr: boolean; proof: string[] | null } & Record<string, string>

function vectors(kind: string): [string, Vector][] {
  const files = readdirSync(path.join(folder, kind), { recursive: true, encoding: 'utf8' })
  return files
    .filter(file => file.endsWith('.json'))
    .map(file => {
      // As text: sizes beyond 2^53 must not be rounded
      const text = readFileSync(path.join(folder, kind, file), 'utf8').replaceAll(/"(\w+)":\s*(\d+)/g, '"$1": "$2"')
      return [file, JSON.parse(text) as Vector]
    })
}
/** Some vectors have a word in place of a hash: it becomes a hash of its bytes, which equals nothing but itself; nothing becomes zero. */
function hex(base64: string | undefined): string {
  const bytes = Buffer.from(base64 ?? '', 'base64')
  if (bytes.length === 0) return NO_ROOT
  return bytes.length === 32 ? bytes.toString('hex') : createHash('sha256').update(bytes).digest('hex')
}
const proofOf = ({ proof }: Vector) => (proof ?? []).map(hex)

/** A log whose latest checkpoint is this one, put there past the rules. */
async function ledgerAt(size: string, root: string) {
  const ledger = createTestLedger()
  await ledger.transact(OWNER, 'register', ORIGIN)
  const anchored = JSON.stringify({ root, size: Number(size), time: 0, transaction: '' })
  const state = ledger.state as Map<string, string>
  if (size !== '0' && root !== NO_ROOT)
    state.set(`latest/${logId}`, anchored).set(rootKey(logId, Number(size)), anchored)
  return ledger
}
const isTaken = (call: Promise<unknown>) =>
  call.then(
    () => true,
    error => {
      assert.ok(error instanceof Refusal, String(error))
      return false
    },
  )

test('the 98 inclusion vectors', { skip }, async () => {
  const all = vectors('inclusion')
  assert.equal(all.length, 98)
  for (const [name, v] of all) {
    const ledger = await ledgerAt(v['treeSize']!, hex(v['root']))
    let included: unknown = false
    const args = [logId, v['treeSize']!, v['leafIdx']!, hex(v['leafHash']), ...proofOf(v)]
    await isTaken(ledger.transact(OWNER, 'verifyInclusion', ...args).then(answer => (included = answer)))
    assert.equal(included, !v.wantErr, name)
  }
})

test('the 98 consistency vectors', { skip }, async () => {
  const all = vectors('consistency')
  assert.equal(all.length, 98)
  for (const [name, v] of all) {
    const [size1, size2, root1, root2] = [v['size1']!, v['size2']!, hex(v['root1']), hex(v['root2'])]
    const ledger = await ledgerAt(size1, root1)
    const latest = (await ledger.transact(OWNER, 'latest', logId)) as { root: string }
    const taken = await isTaken(ledger.transact(OWNER, 'anchor', logId, size2, root2, ...proofOf(v)))
    // The latest again is a success whatever the proof; from nothing every tree is consistent, but three vectors have words of 12
    // bytes in place of roots (decision 0001).
    const again = size1 === size2 && proofOf(v).length > 0
    const isHash = size1 !== '0' || v['root2']?.length === 44
    const begins = latest.root === root1 && isHash && !again
    assert.equal(taken && begins, !v.wantErr, name)
  }
})
