import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { COSIGNATURE_V1, createVerifierKey, EMPTY_ROOT, encodeBase64, formatVkey } from '@entente/verify/tlog'
import { freePort } from './mongod.ts'
import { end } from './processes.ts'

/** litewitness and a verifier of proofs, both of torchwood (BSD-3-Clause): somebody else's witness and somebody else's reader. */
const VERSION = 'v0.9.0'
const cache = join(import.meta.dirname, '../../.cache')
const READY_MS = 30_000

export type Torchwood = { litewitness: string; verifyProof: string }

/** Paths of the programs, which the first call builds into `.cache/`; or why there can't be any here, for `t.skip`. */
export function installTorchwood(): Torchwood | { reason: string } {
  const folder = join(cache, `torchwood-${VERSION}`)
  const tools = { litewitness: join(folder, 'litewitness'), verifyProof: join(folder, 'verify-proof') }
  if (existsSync(tools.litewitness) && existsSync(tools.verifyProof)) return tools
  const go = ['go', '/usr/local/go/bin/go'].find(name => spawnSync(name, ['version']).status === 0)
  if (go === undefined) return { reason: 'no Go to build litewitness with' }
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'torchwood-'))
  try {
    writeFileSync(join(work, 'go.mod'), `module verify-proof\n\ngo 1.24\n\nrequire filippo.io/torchwood ${VERSION}\n`)
    copyFileSync(join(import.meta.dirname, 'torchwood/verify-proof.go'), join(work, 'main.go'))
    mkdirSync(join(work, 'bin'))
    // Checked against the public checksum database, as any Go module is.
    const build = (what: string) =>
      execFileSync(go, ['build', '-o', 'bin/', what], {
        cwd: work,
        env: { ...process.env, GOFLAGS: '-mod=mod' },
        stdio: 'pipe',
        timeout: 400_000,
      })
    build('filippo.io/torchwood/cmd/litewitness')
    build('.')
    renameSync(join(work, 'bin'), folder)
    return tools
  } catch (error) {
    return { reason: `torchwood can't be built here: ${(error as Error).message.slice(0, 400)}` }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

export type Litewitness = {
  url: string
  vkey: string
  addLog(origin: string, vkey: string): void
  stop(): Promise<void>
}

/** Starts a litewitness on a free port, with its database in `folder` and a key that anybody can derive from its name. */
export async function startLitewitness({ litewitness }: Torchwood, folder: string, name: string): Promise<Litewitness> {
  const seed = createHash('sha256').update(`entente test key ${name}`).digest()
  const agent = await startAgent(join(folder, 'agent'), seed)
  const port = await freePort()
  const database = join(folder, 'litewitness.db')
  const network = ['-listen', `127.0.0.1:${port}`, '-ssh-agent', join(folder, 'agent')]
  const child = spawn(litewitness, ['-name', name, '-key', agent.fingerprint, '-db', database, ...network], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', d => (output += d))
  const stop = async () => {
    await end(child, 'SIGINT')
    agent.server.close()
  }
  const url = `http://127.0.0.1:${port}`
  for (const until = Date.now() + READY_MS; !(await fetch(url).catch(() => undefined)); await setTimeout(50)) {
    if (child.exitCode === null && Date.now() < until) continue
    await stop()
    throw new Error(`litewitness did not start:\n${output.slice(-2000)}`)
  }
  return {
    url,
    vkey: formatVkey(createVerifierKey(name, COSIGNATURE_V1, agent.publicKey)),
    addLog: (origin, vkey) => {
      const db = new DatabaseSync(database, { timeout: 5000 })
      db.prepare('insert into log(origin, tree_size, tree_hash) values(?, 0, ?)').run(origin, encodeBase64(EMPTY_ROOT))
      db.prepare('insert into key(origin, key) values(?, ?)').run(origin, vkey)
      db.close()
    },
    stop,
  }
}

/** PKCS#8 of an Ed25519 key, up to its 32 bytes (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Just enough of an ssh-agent (draft-ietf-sshm-ssh-agent) to hold one key: it lists it, and signs. */
async function startAgent(
  path: string,
  seed: Buffer,
): Promise<{ server: Server; fingerprint: string; publicKey: Buffer }> {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x as string, 'base64url')
  const blob = Buffer.concat([string('ssh-ed25519'), string(publicKey)])
  const answer = (message: Buffer): Buffer => {
    if (message[0] === 11) return Buffer.concat([Buffer.of(12), uint32(1), string(blob), string('test')])
    if (message[0] !== 13) return Buffer.of(5)
    const data = 5 + message.readUInt32BE(1)
    const signature = sign(null, message.subarray(data + 4, data + 4 + message.readUInt32BE(data)), key)
    return Buffer.concat([Buffer.of(14), string(Buffer.concat([string('ssh-ed25519'), string(signature)]))])
  }
  const server = createServer(socket => {
    let received = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
        const end = 4 + received.readUInt32BE(0)
        socket.write(string(answer(received.subarray(4, end))))
        received = received.subarray(end)
      }
    })
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
  const fingerprint = `SHA256:${createHash('sha256').update(blob).digest('base64').replace('=', '')}`
  return { server, fingerprint, publicKey }
}

const uint32 = (n: number) => Buffer.of(n >>> 24, n >>> 16, n >>> 8, n)
const string = (data: string | Buffer) => Buffer.concat([uint32(Buffer.byteLength(data)), Buffer.from(data)])
