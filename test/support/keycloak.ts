import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freeLowPort, javaVersion } from './kafka.ts'
import { end, own } from './processes.ts'

/** Keycloak (Apache-2.0), built once, with a database that has the realm already: making one takes most of a minute. */
const VERSION = '26.7.3'
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'
const ARTIFACT = `org.keycloak:keycloak-quarkus-dist:${VERSION}:tar.gz`
const cache = join(import.meta.dirname, '../../.cache')
const READY_MS = 120_000
/** For tests only. */
const ADMIN = { username: 'admin', password: 'TEST-ONLY-admin' }
const REALM = join(import.meta.dirname, 'keycloak-realm.json')

export type Keycloak = {
  /** `http://127.0.0.1:<port>` */
  url: string
  issuer: string
  /** A request to the realm's part of the administration's interface; what it answers. */
  admin(method: string, path: string, body?: unknown): Promise<any>
  /** Asks for a token as `form` has it; what the token endpoint answers. */
  token(form: Record<string, string>): Promise<{ status: number; body: any }>
  /** Resolves when the process has ended. */
  stop(): Promise<void>
  /** Brings it back at the same port with its data. */
  start(): Promise<void>
}

/** The folder of Keycloak, which the first call brings to `.cache/` and builds; or why there can't be one here, for `t.skip`. */
export function installKeycloak(): { path: string } | { reason: string } {
  const path = join(cache, `keycloak-${VERSION}`)
  const major = javaVersion()
  if (major < 17) return { reason: `Keycloak needs Java 17; here is ${major === 0 ? 'none' : major}` }
  if (existsSync(path) && existsSync(databaseOf(path))) return { path }
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'keycloak-'))
  try {
    if (!existsSync(path)) renameSync(fetchAndBuild(work), path)
    if (!existsSync(databaseOf(path))) renameSync(makeDatabase(path, work), databaseOf(path))
    return { path }
  } catch (error) {
    return { reason: `Keycloak can't be fetched or built here: ${(error as Error).message.slice(0, 400)}` }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function fetchAndBuild(work: string): string {
  const quiet = ['-B', '-q', '-Dstyle.color=never', PLUGIN, `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${work}`]
  execFileSync('mvn', quiet, { cwd: work, stdio: 'pipe', timeout: 600_000 })
  const archive = readdirSync(work).find(name => name.endsWith('.tar.gz')) as string
  execFileSync('tar', ['-xzf', archive], { cwd: work, stdio: 'pipe' })
  const unpacked = join(work, `keycloak-${VERSION}`)
  const build = ['build', '--db=dev-file']
  execFileSync(join(unpacked, 'bin/kc.sh'), build, { cwd: work, stdio: 'pipe', timeout: 600_000 })
  return unpacked
}

/** A new database for each content of the realm's file. */
const databaseOf = (path: string) =>
  join(path, `database-${createHash('sha256').update(readFileSync(REALM)).digest('hex').slice(0, 16)}`)

function makeDatabase(path: string, work: string): string {
  const folder = join(work, 'database')
  const words = ['import', '--optimized', '--cache=local', '--file', REALM, databaseOption(folder)]
  execFileSync(join(path, 'bin/kc.sh'), words, { cwd: work, env: environment(), stdio: 'pipe', timeout: 600_000 })
  return folder
}

const databaseOption = (folder: string) => `--db-url=jdbc:h2:file:${join(folder, 'keycloak')};NON_KEYWORDS=VALUE`
const environment = () => ({
  ...process.env,
  KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username,
  KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
})

/** Starts Keycloak with the realm `taxii` of `keycloak-realm.json`, its log in `folder`, and waits until it answers. */
export async function startKeycloak(path: string, folder: string): Promise<Keycloak> {
  mkdirSync(folder, { recursive: true })
  const port = await freeLowPort()
  const url = `http://127.0.0.1:${port}`
  const log = join(folder, 'keycloak.log')
  const data = join(folder, 'data')
  cpSync(databaseOf(path), data, { recursive: true })
  let child: ChildProcess | undefined

  const administrator = async () => {
    const form = { grant_type: 'password', client_id: 'admin-cli', ...ADMIN }
    const { body } = await post(`${url}/realms/master/protocol/openid-connect/token`, form)
    return { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/json' }
  }
  const ask = async (method: string, address: string, body?: unknown): Promise<any> => {
    const response = await fetch(address, {
      method,
      headers: await administrator(),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${address}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  const start = async () => {
    const out = openSync(log, 'a')
    // As bin/kc.sh does it, but one process: what is killed is Keycloak itself.
    const opens = ['java.util', 'java.util.concurrent', 'java.security', 'java.lang']
    const started = spawn(
      'java',
      [
        '-Xms64m',
        '-Xmx384m',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        // Verifying some ten thousand classes at each start takes a fifth of its time.
        '-XX:+UnlockDiagnosticVMOptions',
        '-XX:-BytecodeVerificationRemote',
        ...opens.map(name => `--add-opens=java.base/${name}=ALL-UNNAMED`),
        `-Dkc.home.dir=${path}`,
        `-Djboss.server.config.dir=${join(path, 'conf')}`,
        `-Djava.io.tmpdir=${folder}`,
        '-Djava.util.logging.manager=org.jboss.logmanager.LogManager',
        '-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory',
        '-cp',
        join(path, 'lib/quarkus-run.jar'),
        'io.quarkus.bootstrap.runner.QuarkusEntryPoint',
        'start',
        '--optimized',
        // Or it would listen on all interfaces for others of its cluster.
        '--cache=local',
        '--http-enabled=true',
        '--http-host=127.0.0.1',
        `--http-port=${port}`,
        `--hostname=${url}`,
        databaseOption(data),
      ],
      {
        cwd: folder,
        env: environment(),
        stdio: ['ignore', out, out],
      },
    )
    closeSync(out)
    child = own(started)
    try {
      await becomeReady(started, url)
    } catch (error) {
      await end(started, 'SIGKILL')
      throw new Error(`${(error as Error).message}\n${readFileSync(log, 'utf8').slice(-2000)}`, { cause: error })
    }
  }
  await start()
  const issuer = `${url}/realms/taxii`
  return {
    url,
    issuer,
    start,
    stop: async () => void (child && (await end(child))),
    admin: (method, rest, body) => ask(method, `${url}/admin/realms/taxii${rest}`, body),
    token: form => post(`${issuer}/protocol/openid-connect/token`, form),
  }
}

async function post(url: string, form: Record<string, string>): Promise<{ status: number; body: any }> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form) })
  return { status: response.status, body: await response.json() }
}

async function becomeReady(child: ChildProcess, url: string): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await setTimeout(100)) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`keycloak ended with ${child.exitCode ?? child.signalCode}`)
    const response = await fetch(`${url}/realms/taxii`).catch(() => undefined)
    await response?.body?.cancel()
    if (response?.ok) return
  }
  throw new Error(`keycloak at ${url} does not answer after ${READY_MS} ms`)
}
