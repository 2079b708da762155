import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { append, assertCheckpoint } from '../../conformance/anchor.ts'
import { TestTree } from '../../conformance/tree.ts'
import { openEmbeddedAnchor } from './anchor.ts'
import { createEmbeddedProvider } from './provider.ts'

/** ENTENTE_KILLS=100 for more. */
const KILLS = Number(process.env['ENTENTE_KILLS'] ?? 8)
const tree = new TestTree('kill')
const child = join(import.meta.dirname, 'kill.child.ts')
const open = (folder: string) =>
  openEmbeddedAnchor({ id: 'kill', origin: 'log.example/kill', folder, now: Date.now, worker: false })

/** Runs the child until it is killed, `killAfter` ms after its first anchor or by itself; gives what it acknowledged. */
async function run(args: string[], killAfter?: number): Promise<{ size: number; transaction: string }[]> {
  const process_ = spawn(process.execPath, [child, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  let killing: Promise<void> | undefined
  process_.stdout.on('data', chunk => {
    output += chunk
    if (killAfter !== undefined) killing ??= sleep(killAfter).then(() => void process_.kill('SIGKILL'))
  })
  process_.stderr.on('data', chunk => (errors += chunk))
  const signal = await new Promise(resolve => process_.on('exit', (_, signal) => resolve(signal)))
  await killing
  assert.equal(signal, 'SIGKILL', errors)
  const lines = output
    .slice(0, output.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(line => line !== '')
  return lines.map(line => line.split(' ')).map(([size, transaction = '']) => ({ size: Number(size), transaction }))
}

/** Everything acknowledged is there, under its transaction; the latest is that or one more, and it is in the contract. */
async function assertNothingLost(
  folder: string,
  acknowledged: { size: number; transaction: string }[],
): Promise<number> {
  const anchor = await open(folder)
  try {
    for (const { size, transaction } of acknowledged) assertCheckpoint(await anchor.read(transaction), tree, size)
    const latest = await anchor.latest()
    const last = acknowledged.at(-1)?.size ?? 0
    assert.ok((latest?.size ?? 0) >= last, `size ${last} was acknowledged, the ledger has ${latest?.size}`)
    if (latest === undefined) return 0
    assertCheckpoint(latest, tree, latest.size)
    assertCheckpoint(await anchor.prove?.(latest.size), tree, latest.size)
    await append(anchor, tree, latest.size + 1)
    return latest.size
  } finally {
    await anchor.close()
  }
}

async function assertChainVerifies(folder: string): Promise<number> {
  const provider = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false })
  const { blocks } = (await provider.request({ method: 'entente_verify', params: [{ replay: true }] })) as {
    blocks: number
  }
  await provider.close()
  return blocks
}

test(`${KILLS} kills at random moments lose nothing that was acknowledged`, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-kill-'))
  const acknowledged: { size: number; transaction: string }[] = []
  let random = 12345
  await (await open(folder)).close()
  for (let i = 0; i < KILLS; i++) {
    random = (random * 1103515245 + 12345) % 2 ** 31
    acknowledged.push(...(await run([folder, i % 4 === 0 ? 'worker' : 'inline'], random % 400)))
  }
  await assertNothingLost(folder, acknowledged)
  const blocks = await assertChainVerifies(folder)
  assert.ok(acknowledged.length >= KILLS)
  t.diagnostic(`${acknowledged.length} anchors acknowledged, ${blocks} blocks`)
  rmSync(folder, { recursive: true })
})

test("a crash at each step of a block's write leaves the last sealed block", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'entente-crash-'))
  await (await open(folder)).close()
  let before = 0
  for (const [point, survives] of [
    ['before-transaction', false],
    ['in-transaction', false],
    ['before-commit', false],
    ['after-commit', true],
  ] as const) {
    const acknowledged = await run([folder, 'inline', point, '3'])
    assert.equal(acknowledged.length, 2)
    const lost = acknowledged.at(-1)?.size ?? 0
    before = await assertNothingLost(folder, acknowledged)
    assert.equal(before > lost, survives, `${point}: acknowledged ${lost}, on the ledger ${before}`)
  }
  await assertChainVerifies(folder)
  rmSync(folder, { recursive: true })
})

test('a crash while the folder is made leaves one that opens', async () => {
  for (const kill of [5, 400, 550]) {
    const folder = mkdtempSync(join(tmpdir(), 'entente-new-'))
    const process_ = spawn(process.execPath, [child, folder, 'worker'], { stdio: 'ignore' })
    await sleep(kill)
    process_.kill('SIGKILL')
    await new Promise(resolve => process_.on('exit', resolve))
    const anchor = await open(folder)
    const size = ((await anchor.latest())?.size ?? 0) + 1
    assertCheckpoint(await append(anchor, tree, size), tree, size)
    await anchor.close()
    rmSync(folder, { recursive: true })
  }
})
