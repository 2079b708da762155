import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { modulesOf as modulesOfPath } from '../../../test/support/modules.ts'

const modulesOf = (file: string) => modulesOfPath(join(import.meta.dirname, file))

test('loading the ports loads no driver', () => {
  for (const port of ['anchor.ts', 'chain.ts', 'error.ts']) {
    const urls = modulesOf(port)
    assert.ok(urls.some(url => url.endsWith(`/ledger/${port}`)))
    for (const url of urls) assert.match(url, /^node:|\/ledger\/(anchor|chain|error)\.ts$/, `${port} loads ${url}`)
  }
})

test('an EVM by JSON-RPC loads no embedded chain', () => {
  const urls = modulesOf('evm/anchor.ts')
  assert.ok(urls.some(url => url.includes('/viem/')))
  assert.deepEqual(
    urls.filter(url => url.includes('/@ethereumjs/') || url === 'node:sqlite'),
    [],
  )
})

test('Bitcoin loads nothing of an EVM chain but its HTTP', () => {
  const urls = modulesOf('bitcoin/anchor.ts')
  assert.ok(urls.some(url => url.includes('/btc-signer/')))
  assert.deepEqual(
    urls.filter(url => /\/viem\/|\/@ethereumjs\/|node:sqlite/.test(url)),
    [],
  )
})
