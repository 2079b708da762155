// Somebody else's verifier of logs: `fsck` of transparency-dev/tessera, as published.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './server.ts'

const VERSION = 'v1.0.4'
const BIN = join(root, `.cache/fsck-${VERSION}`)
/** It ends with 0 on failure when it runs without a terminal: this line is the only sign of success. */
export const SUCCESS = "Successfully fsck'd log"
/** Workers. With fewer than the log has tiles it deadlocks on a log that is damaged. */
const WORKERS = 400

/** The path of `fsck`, installed once into the cache, or why there is none. */
export function installFsck(): { fsck: string } | { reason: string } {
  const fsck = join(BIN, 'fsck')
  if (existsSync(fsck)) return { fsck }
  const go = ['go', '/usr/local/go/bin/go'].find(name => spawnSync(name, ['version']).status === 0)
  if (go === undefined) return { reason: 'no Go to install fsck with' }
  mkdirSync(BIN, { recursive: true })
  const { status, stderr } = spawnSync(go, ['install', `github.com/transparency-dev/tessera/cmd/fsck@${VERSION}`], {
    env: { ...process.env, GOBIN: BIN },
    encoding: 'utf8',
    timeout: 240_000,
  })
  return status === 0 && existsSync(fsck) ? { fsck } : { reason: `go can't install fsck: ${stderr.slice(-300)}` }
}

/**
 * Checks the log of a running server over HTTP.
 *
 * @param folder for the key's file
 * @returns what it said; with {@link SUCCESS} where all is well
 */
export async function runFsck(fsck: string, url: string, vkey: string, folder: string): Promise<string> {
  const keyFile = join(folder, 'log.vkey')
  writeFileSync(keyFile, `${vkey}\n`)
  const args = [`--storage_url=${url}/log/`, `--public_key=${keyFile}`, '--ui=false', '-N', String(WORKERS)]
  const child = spawn(fsck, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', d => (output += d))
  child.stderr.setEncoding('utf8').on('data', d => (output += d))
  const timer = setTimeout(() => child.kill('SIGKILL'), 300_000)
  await new Promise(resolve => child.once('close', resolve))
  clearTimeout(timer)
  return output
}
