// The client of every measurement, in a process of its own. It does as little as it can for each answer, and says how much
// of a core it used, so that a figure that it held up can be told.
import { Agent, request as httpRequest } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { envelope, idOf } from './objects.ts'

const TAXII = 'application/taxii+json;version=2.1'

/** A collection of a server, and who asks. */
export type Side = { url: string; collection: string; authorization: string }
export type Task = { side: Side } & (
  | { do: 'post'; from: number; count: number; objects: number; connections: number; perSecond?: number }
  /** One object by its path, or two by `match[id]`; one after the other, unless on more connections. */
  | { do: 'get'; from: number; count: number; each: 1 | 2; connections?: number; perSecond?: number }
  /** The whole collection of `objects` objects in pages, `passes` times. */
  | { do: 'read'; limit: number; objects: number; passes: number }
  /** Each path below the collection once, on one connection. */
  | { do: 'paths'; paths: string[] }
  | { do: 'complete'; from: number; count: number; objects: number; connections: number }
)
export type Result = {
  /** Milliseconds of each request; for `complete`, from each POST until its status was complete. */
  times: number[]
  ms: number
  objects: number
  bytes: number
  /** Share of one core that this process used meanwhile. */
  cpu: number
}

type Answer = { status: number; bytes: number; head: string; text: () => string }
const agent = new Agent({ keepAlive: true })

/** @param onHead called with the beginning of an answer's body as soon as it is there */
function send(
  side: Side,
  method: string,
  path: string,
  body?: Buffer,
  onHead?: (head: string) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(side.url)
    const headers: Record<string, string | number> = { accept: TAXII, authorization: side.authorization }
    if (body) {
      headers['content-type'] = TAXII
      headers['content-length'] = body.length
    }
    const request = httpRequest({ agent, hostname, port, method, path, headers }, response => {
      let bytes = 0
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => {
        if (bytes === 0) onHead?.(chunk.toString('latin1', 0, 100))
        bytes += chunk.length
        if (chunks.length === 0 || body || path.includes('status')) chunks.push(chunk)
      })
      response.on('end', () => {
        const text = () => Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, bytes, head: chunks[0]?.toString('latin1', 0, 100) ?? '', text })
      })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

async function expect(
  side: Side,
  status: number,
  method: string,
  path: string,
  body?: Buffer,
  onHead?: (head: string) => void,
): Promise<Answer> {
  const answer = await send(side, method, path, body, onHead)
  if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.text().slice(0, 500)}`)
  return answer
}

/** Runs `work` for 0 to `count` - 1, on so many connections at once; with `perSecond` none of them before its time. */
async function spread(
  count: number,
  connections: number,
  work: (i: number) => Promise<void>,
  perSecond = Number.POSITIVE_INFINITY,
): Promise<void> {
  let next = 0
  const started = performance.now()
  const lane = async () => {
    while (next < count) {
      const i = next++
      const early = started + (i * 1000) / perSecond - performance.now()
      if (early > 0) await setTimeout(early)
      await work(i)
    }
  }
  await Promise.all(Array.from({ length: connections }, lane))
}

function checkStatus(text: string, objects: number): { id: string; size: number } {
  const status = JSON.parse(text) as {
    id: string
    failure_count: number
    total_count: number
    x_entente?: { size: number }
  }
  const { id, failure_count: failed, total_count: total } = status
  if (failed > 0 || total !== objects) throw new Error(`${failed} of ${total} objects failed: ${text.slice(0, 500)}`)
  return { id, size: status.x_entente?.size ?? 0 }
}

async function run(task: Task): Promise<Result> {
  const { side } = task
  const path = `${side.collection}objects/`
  const times: number[] = []
  let bytes = 0
  let objects = 0
  const measured = async (work: () => Promise<void>): Promise<Result> => {
    const cpu = process.cpuUsage()
    const started = performance.now()
    await work()
    const ms = performance.now() - started
    const { user, system } = process.cpuUsage(cpu)
    return { times, ms, objects, bytes, cpu: (user + system) / 1000 / ms }
  }
  const timed = async (status: number, method: string, at: string, body?: Buffer, onHead?: (head: string) => void) => {
    const started = performance.now()
    const answer = await expect(side, status, method, at, body, onHead)
    times.push(performance.now() - started)
    bytes += body?.length ?? answer.bytes
    return answer
  }
  switch (task.do) {
    case 'post': {
      const bodies = Array.from({ length: task.count }, (_, i) => envelope(task.from + i * task.objects, task.objects))
      const answers: Answer[] = []
      const result = await measured(() =>
        spread(
          task.count,
          task.connections,
          async i => {
            answers.push(await timed(202, 'POST', path, bodies[i] as Buffer))
            objects += task.objects
          },
          task.perSecond,
        ),
      )
      for (const answer of answers) checkStatus(answer.text(), task.objects)
      return result
    }
    case 'get':
      return measured(async () => {
        const get = async (i: number) => {
          const [one, two] = [idOf(task.from + i), idOf(task.from + i + 1)]
          await timed(200, 'GET', task.each === 1 ? `${path}${one}/` : `${path}?match[id]=${one},${two}`)
        }
        await spread(task.count, task.connections ?? 1, get, task.perSecond)
        objects = task.count * task.each
      })
    case 'paths':
      return measured(async () => {
        for (const at of task.paths) await timed(200, 'GET', `${side.collection}${at}`)
      })
    case 'read':
      return measured(async () => {
        for (let pass = 0; pass < task.passes; pass++) {
          // The token of the next page stands at the beginning of a page: it is asked for while the rest still comes in.
          let next: string | undefined = ''
          let pages = 0
          let last: Promise<unknown> = Promise.resolve()
          while (next !== undefined) {
            const at: string = `${path}?limit=${task.limit}${next === '' ? '' : `&next=${next}`}`
            const before = last
            next = await new Promise<string | undefined>((resolve, reject) => {
              last = timed(200, 'GET', at, undefined, head => resolve(/"next":"([^"]+)"/.exec(head)?.[1]))
              last.catch(reject)
            })
            await before // two pages on the way, not more
            pages++
          }
          await last
          if (pages !== Math.ceil(task.objects / task.limit)) throw new Error(`${pages} pages of ${task.limit} objects`)
          objects += task.objects
        }
      })
    case 'complete':
      return complete(task, measured, times)
  }
}

/** Posts at full speed, and asks the server meanwhile how far its ledger is: a status is complete when that covers its size. */
async function complete(
  task: Extract<Task, { do: 'complete' }>,
  measured: (work: () => Promise<void>) => Promise<Result>,
  times: number[],
): Promise<Result> {
  const { side } = task
  const bodies = Array.from({ length: task.count }, (_, i) => envelope(task.from + i * task.objects, task.objects))
  const waiting: { id: string; size: number; since: number }[] = []
  const done: string[] = []
  let posting = true
  const watch = async () => {
    while (posting || waiting.length > 0) {
      const { ledgers } = JSON.parse((await expect(side, 200, 'GET', '/readyz?status')).text()) as {
        ledgers: { final_size: number }[]
      }
      const now = performance.now()
      const size = Math.min(...ledgers.map(l => l.final_size))
      for (const w of waiting.filter(x => x.size <= size)) {
        times.push(now - w.since)
        done.push(w.id)
        waiting.splice(waiting.indexOf(w), 1)
      }
      await setTimeout(20)
    }
  }
  const result = await measured(async () => {
    const watching = watch()
    await spread(task.count, task.connections, async i => {
      const since = performance.now()
      const answer = await expect(side, 202, 'POST', `${side.collection}objects/`, bodies[i] as Buffer)
      waiting.push({ ...checkStatus(answer.text(), task.objects), since })
    })
    posting = false
    await watching
  })
  for (const id of [done[0], done.at(-1)]) {
    const { text } = await expect(side, 200, 'GET', `/api/status/${id}/`)
    if ((JSON.parse(text()) as { status: string }).status !== 'complete') throw new Error(`not complete: ${text()}`)
  }
  return { ...result, objects: task.count * task.objects }
}

process.on('message', (task: Task) => {
  run(task).then(
    result => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.stack }),
  )
})
process.on('disconnect', () => process.exit())
