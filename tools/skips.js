// Fails on a skipped test that test/allowed-skips.txt does not name. Lines: "<file>: <test>", or "<file>: *"; # begins a comment.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const allowed = new Set(
  readFileSync(join(root, 'test', 'allowed-skips.txt'), 'utf8')
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(line => line !== ''),
)
const skips = JSON.parse(readFileSync(join(root, 'test-results', 'skips.json'), 'utf8'))
const unexpected = skips.filter(s => !allowed.has(`${s.file}: ${s.test}`) && !allowed.has(`${s.file}: *`))
for (const s of unexpected)
  console.error(`skipped, and not in test/allowed-skips.txt: ${s.file}: ${s.test} (${s.reason})`)
process.exitCode = unexpected.length > 0 ? 1 : 0
