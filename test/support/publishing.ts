import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Document } from 'mongodb'
import type { Cluster } from './cluster.ts'
import { OBJECTS, sampleObjects } from './server.ts'

type Keyed = Document & { _id: number | string }

/** What was published to several servers, and how it went. */
export type Published = {
  /** By id: where and when it was acknowledged. */
  acknowledged: Map<string, number>
  /** Each POST: when it began, and how long it took until it was acknowledged, whichever server did that in the end; milliseconds. */
  times: { at: number; ms: number }[]
  /** Answers other than 202, and connections that broke. */
  refused: Map<string, number>
  /** Reads on another server that did not show what was acknowledged. */
  stale: string[]
  /** Root by size of every checkpoint that any server served; sizes that were less than one seen before. */
  checkpoints: Map<string, string>
  lessThanBefore: string[]
  failures: string[]
}

/**
 * Publishes at an even rate to all servers in turn for some time, or until `end` is called, like clients behind a load balancer: what is not answered, or not with 202, is posted
 * again to the next one. One in ten is read at once on another server, and checkpoints are read of one after the other all the time.
 */
export function publishTo(
  cluster: Pick<Cluster, 'servers'>,
  options: {
    perSecond: number
    objects: number
    ms: number
    from?: number
    /** POSTs that may be under way: a machine that can't keep up is asked less, else they become ever more. */
    most?: number
  },
): { published: Published; done: Promise<Published>; end(): void } {
  const { perSecond, objects: count, ms, most = Number.POSITIVE_INFINITY } = options
  const published: Published = {
    acknowledged: new Map(),
    times: [],
    refused: new Map(),
    stale: [],
    checkpoints: new Map(),
    lessThanBefore: [],
    failures: [],
  }
  const { servers } = cluster
  const isUp = (i: number) => servers[i]?.child.exitCode === null && servers[i]?.child.signalCode === null
  let turn = 0
  const next = (not = -1): number => {
    for (let tries = 0; tries < servers.length; tries++) {
      turn = (turn + 1) % servers.length
      if (turn !== not && isUp(turn)) return turn
    }
    return turn
  }
  const count1 = (what: string) => published.refused.set(what, (published.refused.get(what) ?? 0) + 1)
  let end = Date.now() + ms

  async function post(from: number): Promise<void> {
    const objects = sampleObjects(count, from)
    const at = Date.now()
    for (;;) {
      const to = next()
      try {
        const { status, json, text } = await (servers[to] as Cluster['servers'][number]).request('POST', OBJECTS, {
          objects,
        })
        if (status === 202) {
          if (json.failure_count > 0) published.failures.push(text)
          break
        }
        count1(`${status} ${json?.error_code}`)
      } catch (error) {
        count1(String((error as { cause?: { code?: string } }).cause?.code ?? (error as Error).message))
      }
      if (Date.now() > end + 30_000) return void published.failures.push(`no server took object ${from}`)
      await sleep(20)
    }
    const done = Date.now()
    published.times.push({ at, ms: done - at })
    for (const o of objects) published.acknowledged.set(o['id'] as string, done)
    if ((from / count) % 10 === 0) await readBack(objects[0]?.['id'] as string)
  }

  async function readBack(id: string): Promise<void> {
    const on = next()
    const answer = await (servers[on] as Cluster['servers'][number])
      .request('GET', `${OBJECTS}${id}/`)
      .catch(() => undefined)
    if (answer?.status === 404 || answer?.json?.objects?.length === 0) published.stale.push(`${id} on ${on}`)
    else if (answer && answer.status !== 200) count1(`GET ${answer.status} ${answer.json?.error_code}`)
  }

  async function readCheckpoints(): Promise<void> {
    let largest = 0
    while (Date.now() < end) {
      const on = next()
      const answer = await (servers[on] as Cluster['servers'][number])
        .request('GET', '/log/checkpoint')
        .catch(() => undefined)
      if (answer?.status === 200) {
        const [, size = '', root = ''] = answer.text.split('\n')
        const known = published.checkpoints.get(size)
        if (known !== undefined && known !== root) published.failures.push(`two roots at size ${size}`)
        published.checkpoints.set(size, root)
        if (Number(size) < largest) published.lessThanBefore.push(`${size} after ${largest} on ${on}`)
        largest = Math.max(largest, Number(size))
      }
      await sleep(10)
    }
  }

  async function publish(): Promise<Published> {
    const reading = readCheckpoints()
    const under = new Set<Promise<void>>()
    const started = Date.now()
    for (let n = 0; Date.now() < end; n++) {
      while (under.size >= most) await Promise.race(under)
      const one = post((options.from ?? 0) + n * count).finally(() => under.delete(one))
      under.add(one)
      const wait = started + ((n + 1) * 1000 * count) / perSecond - Date.now()
      if (wait > 0) await sleep(wait)
    }
    await Promise.all(under)
    await reading
    return published
  }
  return { published, done: publish(), end: () => void (end = Math.min(end, Date.now())) }
}

/** Nothing that was acknowledged is missing, on no server; no checkpoint of a size has two roots, and none was followed by a smaller one. */
export async function assertKept({ servers, db }: Cluster, published: Published): Promise<void> {
  assert.deepEqual(published.failures, [])
  assert.deepEqual(published.stale, [])
  assert.deepEqual(published.lessThanBefore, [])
  const list: string[] = []
  for (let next = ''; ; ) {
    const server = servers[list.length % servers.length] as Cluster['servers'][number]
    const page = await server.request('GET', `${OBJECTS}?limit=5000${next}`).catch((error: Error) => {
      const { exitCode, signalCode } = server.child
      const state = `exit code ${exitCode}, signal ${signalCode}; it said: ${server.output().slice(-4000)}`
      throw new Error(`the page after ${list.length} objects: ${state}`, { cause: error })
    })
    assert.equal(page.status, 200, page.text)
    for (const o of page.json['objects'] ?? []) list.push(o['id'])
    if (page.json['more'] !== true) break
    next = `&next=${page.json['next']}`
  }
  const there = new Set(list)
  assert.equal(there.size, list.length, 'an object is listed twice')
  assert.deepEqual(
    [...published.acknowledged.keys()].filter(id => !there.has(id)),
    [],
  )
  const stored = db.collection<Keyed>('parts').find({ _id: /^checkpoint/ })
  let compared = 0
  for await (const { note } of stored) {
    const [, size = '', root] = String(note).split('\n')
    const served = published.checkpoints.get(size)
    if (served === undefined) continue
    assert.equal(served, root, `the root at size ${size}`)
    compared++
  }
  assert.equal(compared, published.checkpoints.size)
  let [seq, added] = [-1, 0]
  for await (const row of db.collection<Keyed>('records').find({ coll: 1 }).sort({ coll: 1, seq: 1 })) {
    assert.equal(row['seq'], seq + 1)
    assert.ok(row['added'] > added, `record ${row['seq']} is dated ${row['added']}, the one before ${added}`)
    ;[seq, added] = [row['seq'], row['added']]
  }
}

/** The 99th percentile, milliseconds. */
export function p99(times: readonly { ms: number }[]): number {
  const sorted = times.map(t => t.ms).sort((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0
}
