import { spawn } from 'node:child_process'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Args } from '../commands.ts'
import { CliError } from '../errors.ts'
import { print, table } from '../print.ts'
import { createProgress } from '../progress.ts'
import { integerOf, isSet, textOf } from '../values.ts'

/** Objects of the bulk publish and of a request, posts of two and reads by id that are timed. */
const OBJECTS = 20_000
const BATCH = 500
const SINGLES = 200
const WARM_UP = 50
const START_MS = 30_000
const PATH = '/api/collections/default/objects/'

type Measurement = { what: string; value: number; unit: string }

/**
 * Measures this machine: a server of its own, in a process of its own, on a folder that is gone afterwards (`--data` chooses the disk). Its
 * figures say what to expect here; comparisons with other software are in the project's bench/.
 */
export async function run({ values }: Args): Promise<number> {
  const objects = integerOf(values, 'objects', BATCH, 2_000_000) ?? OBJECTS
  const folder = mkdtempSync(join(textOf(values, 'data') ?? tmpdir(), 'entente-bench-'))
  const progress = createProgress(isSet(values, 'json'))
  try {
    const fsync = fsyncTime(folder)
    const server = await start(join(folder, 'data'))
    try {
      const figures = await measure(server.url, server.password, objects, done =>
        progress.update(done, objects, 'objects'),
      )
      progress.end()
      const all = [{ what: 'fdatasync of 4 KB, median', value: fsync, unit: 'ms' }, ...figures]
      const machine = {
        cores: availableParallelism(),
        node: process.version,
        platform: `${process.platform} ${process.arch}`,
      }
      print(isSet(values, 'json'), { machine, objects, measurements: all }, () => [
        `${machine.cores} cores, Node ${machine.node}, ${machine.platform}; ${objects.toLocaleString('en-US')} objects of about 700 bytes`,
        ...table(
          all.map(m => [
            `  ${m.what}`,
            m.value >= 1000 ? Math.round(m.value).toLocaleString('en-US') : m.value.toFixed(2),
            m.unit,
          ]),
        ),
      ])
      return 0
    } finally {
      await server.stop()
    }
  } finally {
    progress.end()
    rmSync(folder, { recursive: true, force: true })
  }
}

function fsyncTime(folder: string): number {
  const fd = openSync(join(folder, 'fsync'), 'w')
  const page = Buffer.alloc(4096, 1)
  const times: number[] = []
  for (let i = 0; i < 100; i++) {
    const started = performance.now()
    writeSync(fd, page, 0, page.length, i * page.length)
    fdatasyncSync(fd)
    times.push(performance.now() - started)
  }
  closeSync(fd)
  return quantile(times, 0.5)
}

async function start(data: string) {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '..', 'main.ts'), 'serve', '--data', data, '--port', '0', '--quiet'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new CliError('no', `the server did not start in ${START_MS / 1000} s: ${output}`))
    }, START_MS)
    child.stderr.on('data', d => (output += d))
    child.stdout.on('data', d => {
      output += d
      const ready = /ready at (\S+)/.exec(output)?.[1]
      if (ready === undefined) return
      clearTimeout(timer)
      resolve(ready)
    })
    void exited.then(() => {
      clearTimeout(timer)
      reject(new CliError('no', `the server ended: ${output}`))
    })
  })
  return {
    url,
    password: readFileSync(join(data, 'admin-password'), 'utf8').trim(),
    stop: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function measure(
  url: string,
  password: string,
  objects: number,
  progress: (done: number) => void,
): Promise<Measurement[]> {
  const send = createSender(url, `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`)
  for (let i = 0; i < WARM_UP; i++) await send('POST', PATH, body(2 ** 30 + i * 2, 2))

  const started = performance.now()
  let sent = 0
  const completions: Promise<number>[] = []
  const poster = async () => {
    while (sent < objects) {
      const from = sent
      sent += BATCH
      const posted = performance.now()
      const status = JSON.parse((await send('POST', PATH, body(from, Math.min(BATCH, objects - from)))).toString()) as {
        id: string
      }
      progress(Math.min(sent, objects))
      if ((from / BATCH) % 4 === 0) completions.push(completion(send, status.id, posted))
    }
  }
  await Promise.all([poster(), poster()])
  const bulk = (objects / (performance.now() - started)) * 1000
  const complete = await Promise.all(completions)

  const read = async () => {
    const readStarted = performance.now()
    let next: string | undefined
    do {
      const page = await send('GET', `${PATH}?limit=1000${next === undefined ? '' : `&next=${next}`}`)
      next = /"next":"([^"]+)"/.exec(page.toString('latin1', 0, 100))?.[1]
    } while (next !== undefined)
    return (objects / (performance.now() - readStarted)) * 1000
  }
  await read()
  const full = await read()

  const posts: number[] = []
  for (let i = 0; i < SINGLES; i++) posts.push(await timed(() => send('POST', PATH, body(2 ** 31 + i * 2, 2))))
  const gets: number[] = []
  for (let i = 0; i < SINGLES; i++) gets.push(await timed(() => send('GET', `${PATH}${idOf((i * 97) % objects)}/`)))
  return [
    { what: 'publish of 2 objects, durable: median', value: quantile(posts, 0.5), unit: 'ms' },
    { what: 'publish of 2 objects, durable: 99th percentile', value: quantile(posts, 0.99), unit: 'ms' },
    { what: 'verified read by id: median', value: quantile(gets, 0.5), unit: 'ms' },
    { what: 'bulk publish: validated, durable, logged', value: bulk, unit: 'objects/s' },
    { what: 'verified read of everything', value: full, unit: 'objects/s' },
    { what: 'from POST to complete under bulk load: 99th percentile', value: quantile(complete, 0.99), unit: 'ms' },
  ]
}

type Send = (method: string, path: string, body?: Buffer) => Promise<Buffer>

function createSender(url: string, authorization: string): Send {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  return (method, path, content) =>
    new Promise((resolve, reject) => {
      const type = 'application/taxii+json;version=2.1'
      const headers = {
        authorization,
        accept: type,
        ...(content ? { 'content-type': type, 'content-length': content.length } : {}),
      }
      const sending = request(url + path, { method, agent, headers }, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('end', () => {
          const answer = Buffer.concat(chunks)
          if (response.statusCode === 200 || response.statusCode === 202) resolve(answer)
          else
            reject(
              new CliError(
                'no',
                `${method} ${path} was answered with ${response.statusCode}: ${answer.toString('utf8', 0, 300)}`,
              ),
            )
        })
      })
      sending.on('error', reject)
      sending.end(content)
    })
}

async function completion(send: Send, id: string, posted: number): Promise<number> {
  for (;;) {
    const status = JSON.parse((await send('GET', `/api/status/${id}/`)).toString()) as { status: string }
    if (status.status === 'complete') return performance.now() - posted
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await run()
  return performance.now() - started
}

const idOf = (n: number) => `indicator--00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`

/** Made-up indicators: the same on every run. */
function body(from: number, count: number): Buffer {
  const objects = Array.from({ length: count }, (_, i) => ({
    type: 'indicator',
    spec_version: '2.1',
    id: idOf(from + i),
    created: '2026-01-01T00:00:00.000Z',
    modified: '2026-01-01T00:00:00.000Z',
    name: `bench indicator ${from + i}`,
    description: `${'Made up to measure a server. '.repeat(12)}${from + i}`,
    indicator_types: ['benign'],
    pattern: `[file:name = 'bench-${from + i}.bin']`,
    pattern_type: 'stix',
    valid_from: '2026-01-01T00:00:00Z',
  }))
  return Buffer.from(JSON.stringify({ objects }))
}

function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}
