// Anchors in a loop and says so, until it is killed. Arguments: folder, worker | inline, crash point or -, how often it is passed.
import { writeSync } from 'node:fs'
import { TestTree } from '../../conformance/tree.ts'
import { accountFromKey } from '../account.ts'
import { createEvmAnchor } from '../anchor.ts'
import { openEvmChain } from '../chain.ts'
import { openEmbeddedAnchor } from './anchor.ts'
import { loadKey } from './keys.ts'
import { createEmbeddedProvider } from './provider.ts'

const [folder = '', mode = 'worker', crashPoint = '-', passes = '1'] = process.argv.slice(2)
const tree = new TestTree('kill')
let left = Number(passes)

async function open() {
  if (mode === 'worker') return openEmbeddedAnchor({ id: 'kill', origin: 'log.example/kill', folder, now: Date.now })
  // As openEmbeddedAnchor does it on a folder that exists, with a hook.
  const hook = (point: string) => {
    if (point === crashPoint && left-- === 1) process.kill(process.pid, 'SIGKILL')
  }
  const provider = await createEmbeddedProvider({ folder, chainId: 6100, now: Date.now, worker: false, hook })
  const account = accountFromKey(loadKey(folder, 'account').privateKey)
  const chain = await openEvmChain({
    provider,
    account,
    chainId: 6100,
    finality: 'instant',
    gasLimit: 5_000_000,
    pollMs: 5,
  })
  return createEvmAnchor(chain, { id: 'kill', origin: 'log.example/kill' })
}

const anchor = await open()
let size = (await anchor.latest())?.size ?? 0
for (;;) {
  size += 1 + (size % 7)
  const { transaction } = await anchor.append({ size, root: tree.root(size), note: '' }, old =>
    tree.consistency(old, size),
  )
  writeSync(1, `${size} ${transaction}\n`) // acknowledged: from here on it must never be missing
}
