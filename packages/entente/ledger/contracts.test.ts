import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { artifactOf, artifacts, forge } from '../../../contracts/tools/artifact.mts'

const root = join(import.meta.dirname, '..', '..', '..')

before(() => forge('build'))

test('Solidity: unit tests, fuzz tests, invariants, vectors', t => {
  const output = forge('test')
  const skipped = output.split('\n').filter(line => line.includes('[SKIP'))
  for (const line of skipped) t.diagnostic(line)
  const total = output.match(/Ran \d+ test suites? in .*: (\d+) tests passed, 0 failed/)
  assert.ok(total !== null && Number(total[1]) >= 95, output)
})

test('Solidity: format, gas snapshot', () => {
  forge('fmt', '--check')
  forge('snapshot', '--match-contract', 'GasTest', '--check')
})

for (const [contract, file] of artifacts) {
  test(`${file} is what the sources compile to`, () => {
    const stored = JSON.parse(readFileSync(join(root, file), 'utf8'))
    assert.deepEqual(stored, artifactOf(contract), 'run: node contracts/tools/artifact.mts')
    assert.equal(stored.evmVersion, 'berlin')
  })
}
