// Grants as servers use them, played with clocks of the test's: messages arrive when it pleases them, servers stand still, whoever writes is killed and another goes on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createGrants, type Grants, GRANT_MS, HELD_MS } from './grants.ts'

type Said = { question: number; sent: number } | { revoked: number }
type Told = { size: number; grant: number | undefined; sent: number } | { revoke: number }
type Server = {
  /** Its clock runs like this. */
  rate: number
  size: number
  until: number
  revoked: number
  /** What had been seen when it asked. */
  least: number | undefined
  /** Who writes, as far as it knows. */
  writer: Grants
  peer: { tell(news: object): void }
  said: Said[]
  told: Told[]
}

const SERVERS = 3
const server = fc.nat(SERVERS - 1)
const at = <T extends string>(...what: T[]) => fc.record({ do: fc.constantFrom(...what), at: server })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 12, arbitrary: at('ask', 'read', 'read') },
  { weight: 18, arbitrary: at('arrives', 'comes back') },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 90 }) }) },
  { weight: 1, arbitrary: at('goes on by the store') },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('takeover' as const) }) },
  { weight: 3, arbitrary: at('connect') },
)

test('no read that began after something was shown or acknowledged anywhere misses it', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let granted = 0
  const rates = fc.tuple(...Array.from({ length: SERVERS }, () => fc.double({ min: 0.85, max: 1.2, noNaN: true })))
  await fc.assert(
    fc.asyncProperty(rates, fc.array(step, { minLength: 60, maxLength: 120, size: 'max' }), async (running, steps) => {
      let now = 0
      let [stored, shown, seen] = [0, 0, 0]
      let writer = createGrants(() => now)
      const pass = async (ms: number) => {
        now += ms
        t.mock.timers.tick(ms)
        await new Promise(setImmediate)
      }
      const servers = running.map((rate): Server => {
        const told: Told[] = []
        const peer = { tell: (news: object) => void told.push(news as Told) }
        const never = { until: Number.NEGATIVE_INFINITY, revoked: 0, least: undefined }
        return { rate, size: 0, ...never, writer, peer, said: [], told }
      })
      /** What is stored by now is shown by who writes, and with that acknowledged. */
      const show = async (by: Grants, size = stored) =>
        by.show(() => {
          if (by !== writer) return // it was killed
          shown = Math.max(shown, size)
          seen = Math.max(seen, shown)
        })
      const clock = (s: Server) => now * s.rate

      for (const one of steps) {
        const s = servers['at' in one ? one.at : 0] as Server
        if (one.do === 'commit') {
          stored++
          void show(writer)
        } else if (one.do === 'ask' && s.least === undefined) {
          s.least = seen
          s.said.push({ question: s.size, sent: clock(s) })
        } else if (one.do === 'read') {
          if (clock(s) >= s.until) continue
          assert.ok(s.size >= seen, `${s.size} by a grant, after ${seen}`)
          granted++
        } else if (one.do === 'arrives') {
          const said = s.said.shift()
          if (!said || s.writer !== writer) continue
          if ('revoked' in said) writer.takeBack(s.peer, said.revoked)
          else {
            if (said.question > shown) await Promise.race([show(writer), pass(HELD_MS)])
            s.told.push({ size: shown, grant: writer.give(s.peer), sent: said.sent })
          }
        } else if (one.do === 'comes back') {
          const told = s.told.shift()
          if (!told) continue
          if ('revoke' in told) {
            s.revoked = told.revoke
            s.until = Number.NEGATIVE_INFINITY
            s.said.push({ revoked: told.revoke })
            continue
          }
          s.size = Math.max(s.size, told.size)
          if (told.grant !== undefined && told.grant > s.revoked) s.until = told.sent + GRANT_MS
          assert.ok(s.size >= (s.least ?? 0), `${s.size} by an answer, after ${s.least}`)
          seen = Math.max(seen, s.size)
          s.least = undefined
        } else if (one.do === 'goes on by the store' && stored > s.size) {
          // Who writes is asked, or is gone.
          const size = stored
          await Promise.all([s.writer === writer ? show(writer) : undefined, pass(HELD_MS)])
          s.size = Math.max(s.size, size)
          seen = Math.max(seen, s.size)
        } else if (one.do === 'time') await pass(one.ms)
        else if (one.do === 'takeover') {
          writer = createGrants(() => now)
          await pass(HELD_MS)
          seen = shown = stored
        } else if (one.do === 'connect' && s.writer !== writer) {
          const never = { until: Number.NEGATIVE_INFINITY, revoked: 0, least: undefined }
          Object.assign(s, { ...never, writer })
          s.said.length = s.told.length = 0
        }
        await new Promise(setImmediate)
      }
      await pass(HELD_MS)
    }),
    { numRuns: 1000 },
  )
  assert.ok(granted > 100, `only ${granted} reads by a grant`)
})
