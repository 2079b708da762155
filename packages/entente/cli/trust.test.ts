import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../test/support/server.ts'
import { CliError } from './errors.ts'
import { readTrustOptions } from './trust.ts'

/** The vector of C2SP signed-note. */
const KEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const PIN = {
  chain_id: 5,
  contract: `0x${'12'.repeat(20)}`,
  log_id: `0x${'34'.repeat(32)}`,
  validators: [`0x${'56'.repeat(20)}`],
}

test('a pin says how the validators seal; left out they do as in QBFT', t => {
  const file = join(temporaryFolder(t), 'pins.json')
  const read = (pins: object) => {
    writeFileSync(file, JSON.stringify(pins))
    return readTrustOptions({ key: [KEY], 'ledger-pin': [file] })?.ledgers
  }
  const { chain_id: chainId, log_id: logId, ...rest } = PIN
  const plain = { chainId, logId, ...rest }
  assert.deepEqual(read(PIN), [plain])
  assert.deepEqual(
    read([
      { ...PIN, consensus: 'clique' },
      { ...PIN, consensus: 'qbft', owner: '0x', ledger: 'a' },
    ]),
    [
      { ...plain, consensus: 'clique' },
      { ...plain, consensus: 'qbft' },
    ],
  )
  for (const wrong of [{ ...PIN, consensus: 'ibft' }, { ...PIN, consensus: 1 }, { ...PIN, validators: 'all' }, {}])
    assert.throws(
      () => read(wrong),
      error => error instanceof CliError && error.code === 'usage',
    )
})
