import { type ChildProcess, fork, spawn } from 'node:child_process'
import { mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../test/support/server.ts'
import type { Result, Side, Task } from './client.ts'

export const PASSWORD = 'bench-password-not-secret'
export const authorization = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`
const READY_MS = 60_000

export type Process = { child: ChildProcess; stop(): Promise<void> }
export type Server = Process & { side: Side; data: string }
export type Client = Process & { run(task: Task): Promise<Result> }

/** Stops what was started, newest first. */
export type Started = { add<T extends { stop(): Promise<void> }>(process: T): T; stopAll(): Promise<void> }
export function createStarted(): Started {
  const stops: (() => Promise<void>)[] = []
  return {
    add: process => {
      stops.push(process.stop)
      return process
    },
    stopAll: async () => {
      for (const stop of stops.splice(0).reverse()) await stop()
    },
  }
}

function stopper(child: ChildProcess): () => Promise<void> {
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  return async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
  }
}

/** Spawns a process whose output says "ready at URL". Its log goes to a file, as a server's does. */
export function startReady(
  command: string,
  args: string[],
  data: string,
  env: Record<string, string> = {},
): Promise<Process & { url: string }> {
  mkdirSync(data, { recursive: true })
  const file = join(data, 'output.log')
  const log = openSync(file, 'a')
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', log] })
  const stop = stopper(child)
  return new Promise((resolve, reject) => {
    let output = ''
    const fail = (why: string) => reject(new Error(`${args.join(' ')}: ${why}; its log is ${file}\n${output}`))
    const timer = setTimeout(() => fail('not ready in a minute'), READY_MS)
    child.once('exit', code => fail(`ended with ${code}`))
    child.stdout?.on('data', chunk => {
      output += chunk
      const url = /ready at (\S+)/.exec(output)?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      resolve({ child, stop, url })
    })
  })
}

/** `entente serve` with its defaults, or a server to compare it with (bench/side.ts). `profile` is a folder for a CPU profile. */
export async function startServer(
  kind: 'entente' | 'baseline' | 'unverified',
  data: string,
  profile?: string,
  env: Record<string, string> = {},
  config?: string,
): Promise<Server> {
  const script =
    kind === 'entente'
      ? [
          'packages/entente/cli/entente.js',
          'serve',
          '--data',
          data,
          '--port',
          '0',
          ...(config ? ['--config', config] : []),
        ]
      : ['bench/side.ts', kind, data]
  const flags =
    profile === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${kind}-${Date.now()}.cpuprofile`]
  const { child, stop, url } = await startReady(process.execPath, [...flags, ...script], data, {
    ENTENTE_ADMIN_PASSWORD: PASSWORD,
    ...env,
  })
  return { child, stop, data, side: { url, authorization, collection: '/api/collections/default/' } }
}

export function startClient(): Client {
  const child = fork(join(import.meta.dirname, 'client.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return {
    child,
    stop: stopper(child),
    run: task =>
      new Promise((resolve, reject) => {
        child.once('message', (message: { result: Result } | { error: string }) => {
          if ('result' in message) resolve(message.result)
          else reject(new Error(message.error))
        })
        child.send(task)
      }),
  }
}
