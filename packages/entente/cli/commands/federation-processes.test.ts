// A federation as it is meant to run: the EU chain and a country in processes of their own, one of which is killed.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Kind } from '@entente/rules'
import { subjectId } from '#product/ids.ts'
import { EUCC } from '#registry/eucc.ts'
import { chainOf } from '../federation/act.ts'
import { connectChain } from '../federation/connect.ts'
import { entente, startCommand } from './test/script.ts'
import { until } from '../../../../test/support/until.ts'

const cwd = mkdtempSync(join(tmpdir(), 'entente-processes-'))
after(() => rmSync(cwd, { recursive: true, force: true, maxRetries: 5 }))

async function run(...args: string[]): Promise<string> {
  const { code, out, err } = await entente(args, { cwd })
  assert.equal(code, 0, `entente ${args.join(' ')}\n${out}${err}`)
  return out
}

async function up(country: string) {
  const started = startCommand(['federation', 'up', country, '--quiet'], { cwd })
  await until(
    () => {
      assert.equal(started.child.exitCode, null, started.written.err)
      return started.written.out.includes('ready')
    },
    undefined,
    { ms: 60_000 },
  )
  return started
}

/** Until a chain has an entity: facts are copied from time to time. */
async function untilThere(chain: string, kind: Kind, id: string): Promise<void> {
  const open = await connectChain(join(cwd, 'federation'), chainOf(chain))
  const reader = await open.as()
  await until(async () => (await reader.get(kind, id)).value !== undefined)
  await open.close()
}

test('a country goes on while the EU process is away, and has what was decided there once it is back', async () => {
  await run('federation', 'init', '--members', 'FR', '--port', '0', '--test-seed', 'entente test processes')
  const first = await up('EU')
  const fr = await up('FR')
  assert.doesNotMatch(first.written.out + fr.written.out, /DEMO/)
  await run('federation', 'call', 'EU', 'adoptScheme', JSON.stringify([EUCC.id, EUCC.terms]), '--as', 'EU/commission')
  await untilThere('FR/certification', 'scheme', EUCC.id)

  first.child.kill('SIGKILL')
  await first.ended
  await run('federation', 'party', 'FR/artifact', 'manufacturer', 'ACME', '--as', 'FR/ncca')
  await untilThere('FR/vulnerability', 'party', subjectId('party', 'ACME'))
  const status = await entente(['federation', 'status'], { cwd })
  assert.match(status.out, /EU .*does not answer/)
  assert.equal(status.code, 3)

  const second = await up('EU')
  const id = subjectId('scheme', 'EUCS')
  const terms = { ...EUCC.terms, scope: subjectId('scope', 'EUCS') }
  await run('federation', 'call', 'EU', 'adoptScheme', JSON.stringify([id, terms]), '--as', 'EU/commission')
  await untilThere('FR/certification', 'scheme', id)
  assert.equal(fr.written.err.split('could not be copied').length - 1, 1, fr.written.err)
  for (const { child, ended } of [fr, second]) {
    child.kill()
    assert.equal((await ended).code, 0)
  }
})
