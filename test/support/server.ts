import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end } from './processes.ts'

export const root: string = join(import.meta.dirname, '..', '..')
export const TAXII = 'application/taxii+json;version=2.1'

export type TestServer = {
  url: string
  data: string
  child: ChildProcess
  output: () => string
  /** A request with the admin's credentials. */
  request(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; headers: Headers; text: string; json: any }>
  stop(): Promise<void>
  kill(): Promise<void>
  exited: Promise<number | null>
}

/** A new folder that is gone after the test. */
export function temporaryFolder(t: { after(f: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'entente-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** A real `entente serve` in a process of its own, on a free port. `script` stands in for the command in crash tests. */
export async function startEntente(
  data: string,
  options: { args?: string[]; env?: Record<string, string>; script?: string } = {},
): Promise<TestServer> {
  const main = options.script ?? join(root, 'packages/entente/cli/entente.js')
  const child = spawn(
    process.execPath,
    [main, 'serve', '--data', data, '--port', '0', '--quiet', ...(options.args ?? [])],
    {
      cwd: root,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  child.stdout.on('data', d => (output += d))
  child.stderr.on('data', d => (output += d))
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`the server was not ready in 30 s:\n${output}`))
      child.kill('SIGKILL')
    }, 30_000)
    child.stdout.on('data', () => {
      const ready = /ready at (\S+)/.exec(output)?.[1]
      if (ready === undefined) return
      clearTimeout(timer)
      resolve(ready)
    })
    void exited.then(code => {
      clearTimeout(timer)
      reject(new Error(`the server ended with ${code} before it was ready:\n${output}`))
    })
  })
  const password = readFileSync(join(data, 'admin-password'), 'utf8').trim()
  const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  return {
    url,
    data,
    child,
    output: () => output,
    exited,
    request: async (method, path, body) => {
      const response = await fetch(url + path, {
        method,
        headers: { authorization, accept: '*/*', ...(body === undefined ? {} : { 'content-type': TAXII }) },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      let json: unknown
      try {
        json = JSON.parse(text)
      } catch {
        json = undefined
      }
      return { status: response.status, headers: response.headers, text, json }
    },
    stop: async () => {
      if (await end(child)) throw new Error(`the server was asked to end, did not, and was killed:\n${output}`)
    },
    kill: async () => void (await end(child, 'SIGKILL')),
  }
}

/** Waits until the ledgers have confirmed what a status is about: a tenth of a second between tries. */
export async function complete(server: TestServer, status: string, tries = 100): Promise<void> {
  for (let i = 0; ; i++) {
    const { json } = await server.request('GET', `/api/status/${status}/`)
    if (json?.status === 'complete') return
    assert.ok(i < tries, `the status was not complete after ${tries / 10} s: ${JSON.stringify(json)}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** Waits until the server has printed this. */
export async function said(server: TestServer, pattern: RegExp): Promise<void> {
  for (let i = 0; i < 100 && !pattern.test(server.output()); i++) await new Promise(resolve => setTimeout(resolve, 20))
  assert.match(server.output(), pattern)
}

/** STIX objects of a fixed seed: the same on every run, and plainly not real. */
export function sampleObjects(count: number, from = 0): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => {
    const n = (from + i).toString(16).padStart(12, '0')
    return {
      type: 'indicator',
      spec_version: '2.1',
      id: `indicator--00000000-0000-4000-8000-${n}`,
      created: '2026-01-01T00:00:00.000Z',
      modified: '2026-01-01T00:00:00.000Z',
      name: `test indicator ${from + i}`,
      pattern: `[file:name = 'test-${from + i}.bin']`,
      pattern_type: 'stix',
      valid_from: '2026-01-01T00:00:00Z',
    }
  })
}

export const OBJECTS = '/api/collections/default/objects/'
