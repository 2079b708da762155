// A witness that is killed goes back on nothing: whatever it cosigned is durable, and never two histories of one log, although the log
// shows both at the same moment and the process dies in between.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parseVkey, verifyCheckpoint } from '@entente/verify/tlog'
import { stringify } from 'yaml'
import { originHash } from '../../packages/entente/witness/http.ts'
import { createTestLog } from '../../packages/entente/witness/test/log.ts'
import { createRandom } from '../support/random.ts'
import { root, startEntente, temporaryFolder, type TestServer } from '../support/server.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20260101)
const KILLS = process.env['ENTENTE_TEST_LONG'] === undefined ? 6 : 60
const crashing = join(root, 'test/support/crashing-server.ts')
const log = createTestLog('log.example/crash')

function configure(data: string): string[] {
  const config = join(data, 'entente.yaml')
  const witness = { name: 'witness.example/w', logs: [{ vkey: log.vkey }] }
  writeFileSync(config, stringify({ ledgers: [], witness, server: { rateLimit: { failures: 0, anonymous: 0 } } }))
  return ['--config', config]
}

type Answer = { status: number; text: string } | undefined
/** undefined where the witness died before it answered. */
const add = async (server: TestServer, body: string): Promise<Answer> => {
  try {
    const response = await fetch(`${server.url}/witness/add-checkpoint`, { method: 'POST', body })
    return { status: response.status, text: await response.text() }
  } catch {
    return undefined
  }
}

/** The newest that it shows, with its own signature. */
async function latest(server: TestServer): Promise<{ size: number; root: Uint8Array }> {
  const key = (await (await fetch(`${server.url}/witness/key`)).text()).trim()
  const response = await fetch(`${server.url}/witness/${originHash(log.origin)}/checkpoint`)
  if (response.status === 404) return { size: 0, root: log.root(0) }
  return verifyCheckpoint(await response.text(), {
    logs: [parseVkey(log.vkey)],
    witnesses: [parseVkey(key)],
    quorum: 1,
  })
}

suite('the witness', () => {
  for (const [point, isDurable] of [
    ['before-persist', false],
    ['after-persist', true],
  ] as const) {
    test(`killed ${point}: ${isDurable ? 'what was not answered is durable' : 'nothing was cosigned'}`, async t => {
      const data = temporaryFolder(t)
      const args = configure(data)
      const first = await startEntente(data, { args, script: crashing, env: { ENTENTE_TEST_CRASH: `${point}:2` } })
      assert.equal((await add(first, log.request(0, 3)))?.status, 200)
      assert.equal(await add(first, log.request(3, 7)), undefined, 'it died before the answer')
      await first.exited

      const second = await startEntente(data, { args })
      t.after(() => second.stop())
      const size = isDurable ? 7 : 3
      const shown = await latest(second)
      assert.deepEqual([shown.size, shown.root], [size, log.root(size)])
      // Another history from where the log was: the answer depends on what is durable alone.
      assert.equal((await add(second, log.request(3, 7, 2)))?.status, isDurable ? 409 : 422)
      const again = await add(second, log.request(3, 7))
      assert.deepEqual([again?.status, isDurable ? again?.text : ''], isDurable ? [409, '7\n'] : [200, ''])
      assert.equal((await add(second, log.request(7, 7)))?.status, 200)
      assert.equal((await add(second, log.request(7, 7, 5)))?.status, 422)
    })
  }

  test(`two histories at once, ${KILLS} kills at random (seed ${SEED}): of each size it cosigns one, and goes on with it`, async t => {
    const data = temporaryFolder(t)
    const args = configure(data)
    const random = createRandom(SEED)
    /** Size and history of everything that was answered with a cosignature. */
    const cosigned: { size: number; fork: number }[] = []
    for (let kill = 0; kill <= KILLS; kill++) {
      const server = await startEntente(data, { args })
      t.after(() => server.kill())
      const { size: start, root: startRoot } = await latest(server)
      const last = Math.max(0, ...cosigned.map(c => c.size))
      assert.ok(start >= last, `size ${last} was cosigned, and ${start} is what is durable`)
      // From size 4 on the log has two histories; which of them the witness has taken shows in its root.
      const isForked = start > 4 && !Buffer.from(startRoot).equals(log.root(start))
      if (kill === KILLS) {
        for (const { size, fork } of cosigned.filter(c => c.size > 4))
          assert.equal(fork === 4, isForked, `size ${size} is of the other history`)
        assert.ok(cosigned.length >= KILLS, `${cosigned.length} were cosigned`)
        break
      }
      let size = start
      const writer = async (fork: number) => {
        for (;;) {
          const from = size
          const to = from + 1 + Math.floor(random.next() * 5)
          const answer = await add(server, log.request(from, to, fork))
          if (!answer) return
          if (answer.status === 200) {
            cosigned.push({ size: to, fork: to > 4 ? fork : Infinity })
            size = Math.max(size, to)
          } else if (answer.status === 409) size = Math.max(size, Number(answer.text))
        }
      }
      const dying = new Promise(resolve => setTimeout(resolve, 20 + random.next() * 150)).then(() => server.kill())
      await Promise.all([writer(Infinity), writer(4), writer(Infinity), dying])
    }
  })
})
