import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { end, isRunning, own } from './processes.ts'

/** Apache Kafka (Apache-2.0) from its jars, in KRaft mode: one process is broker and controller. */
const VERSION = '4.3.1'
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
/** What a node of KRaft is known by; any 16 bytes in base64url. */
const CLUSTER = 'ZW50ZW50ZS10ZXN0LWthZg'
const cache = join(import.meta.dirname, '../../.cache')
const READY_MS = 60_000

export type Kafka = {
  /** `127.0.0.1:<port>`, without encryption or accounts. */
  broker: string
  proxiedPort: number
  /** The same broker with TLS, as `localhost`, and SASL, where {@link KafkaOptions.secure} asks for it. */
  secureBroker: string
  /** Resolve when the process has ended. */
  stop(): Promise<void>
  /** As by kill -9. */
  kill(): Promise<void>
  /** Brings an ended broker back at the same ports with its data. */
  start(): Promise<void>
}

export type KafkaOptions = {
  /** A listener more, `proxiedPort`, whose clients are told to come to this port instead: that of a proxy before it. */
  proxy?: number
  /** A listener with TLS (PEM) and SASL (PLAIN and SCRAM) for one account, which may nothing that no ACL allows it. */
  secure?: { key: string; certificate: string; username: string; password: string }
  properties?: Record<string, string | number>
}

/** The folder of Kafka's jars, which the first call brings to `.cache/`; or why there can't be one here, for `t.skip`. */
export function installKafka(): { path: string } | { reason: string } {
  const path = join(cache, `kafka-${VERSION}`)
  const major = javaVersion()
  if (major < 17) return { reason: `Kafka needs Java 17; here is ${major === 0 ? 'none' : major}` }
  if (existsSync(path)) return { path }
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'kafka-'))
  try {
    const pom = join(work, 'pom.xml')
    writeFileSync(pom, project())
    const quiet = ['-B', '-q', '-Dstyle.color=never', '-f', pom]
    const jars = join(work, 'jars')
    execFileSync('mvn', [...quiet, PLUGIN, '-DincludeScope=runtime', `-DoutputDirectory=${jars}`], {
      stdio: 'pipe',
      timeout: 600_000,
    })
    renameSync(jars, path)
    return { path }
  } catch (error) {
    return { reason: `Kafka can't be fetched here: ${(error as Error).message.slice(0, 400)}` }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The major version of the Java that is here; 0 where there is none. */
export function javaVersion(): number {
  // It writes to standard error.
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' })
  return Number(/version "([0-9]{1,4})/.exec(java.stderr ?? '')?.[1] ?? 0)
}

/** Kafka brings no back end for its log along: without slf4j-simple it would say nothing. */
function project(): string {
  const dependency = (group: string, name: string, version: string) =>
    `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`
  const own = '<groupId>test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>'
  const needed = [
    dependency('org.apache.kafka', 'kafka_2.13', VERSION),
    dependency('org.slf4j', 'slf4j-simple', '1.7.36'),
  ]
  return `<project><modelVersion>4.0.0</modelVersion>${own}<dependencies>${needed.join('')}</dependencies></project>`
}

/** Starts a broker with its data in `folder` and waits until it answers. A topic that somebody asks for is not made for that. */
export async function startKafka(path: string, folder: string, options: KafkaOptions = {}): Promise<Kafka> {
  mkdirSync(folder, { recursive: true })
  const port = await freeLowPort()
  const controller = await freeLowPort()
  const secure = await freeLowPort()
  const proxied = await freeLowPort()
  const config = join(folder, 'server.properties')
  const log = join(folder, 'kafka.log')
  writeFileSync(config, formatProperties(properties(folder, { port, controller, secure, proxied }, options)))
  const { username, password } = options.secure ?? {}
  const accounts = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap(mechanism =>
    options.secure ? ['--add-scram', `${mechanism}=[name=${username},password=${password}]`] : [],
  )
  const size = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xms64m', '-Xmx256m']
  const java = [...size, '-Dorg.slf4j.simpleLogger.showDateTime=true', '-cp', join(path, '*')]
  const format = ['kafka.tools.StorageTool', 'format', '--standalone', '--cluster-id', CLUSTER, '--config', config]
  execFileSync('java', [...java, ...format, ...accounts], { stdio: 'pipe' })

  let child: ChildProcess | undefined
  const start = async () => {
    const out = openSync(log, 'a')
    const started = spawn('java', [...java, 'kafka.Kafka', config], { stdio: ['ignore', out, out] })
    closeSync(out)
    child = own(started)
    try {
      await becomeReady(started, port)
    } catch (error) {
      await end(started, 'SIGKILL')
      throw new Error(`${(error as Error).message}\n${readFileSync(log, 'utf8').slice(-2000)}`, { cause: error })
    }
  }
  await start()
  const at = (p: number) => `127.0.0.1:${p}`
  return {
    broker: at(port),
    proxiedPort: proxied,
    secureBroker: `localhost:${secure}`,
    start,
    stop: async () => void (child && (await end(child))),
    kill: async () => void (child && (await end(child, 'SIGKILL'))),
  }
}

type Ports = { port: number; controller: number; secure: number; proxied: number }

function properties(
  folder: string,
  { port, controller, secure, proxied }: Ports,
  options: KafkaOptions,
): Record<string, string | number> {
  const listeners = [`PLAINTEXT://127.0.0.1:${port}`, `CONTROLLER://127.0.0.1:${controller}`]
  const advertised = [...listeners]
  if (options.secure) {
    listeners.push(`SASL_SSL://127.0.0.1:${secure}`)
    advertised.push(`SASL_SSL://localhost:${secure}`)
  }
  if (options.proxy !== undefined) {
    listeners.push(`PROXIED://127.0.0.1:${proxied}`)
    advertised.push(`PROXIED://127.0.0.1:${options.proxy}`)
  }
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controller}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SASL_SSL:SASL_SSL',
    listeners: listeners.join(','),
    'advertised.listeners': advertised.join(','),
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': 'false',
    // One broker can't keep three copies of its own topics, and need not have fifty partitions of them.
    'default.replication.factor': 1,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // A broker that was killed starts again when its session has ended: after 9 s otherwise.
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    // 128 MiB otherwise.
    'log.cleaner.dedupe.buffer.size': 4_194_304,
    ...(options.secure && secureProperties(options.secure)),
    ...options.properties,
  }
}

function secureProperties(secure: NonNullable<KafkaOptions['secure']>): Record<string, string> {
  const { key, certificate, username, password } = secure
  const jaas = (module: string, rest: string) => `org.apache.kafka.common.security.${module} required${rest};`
  const scram = jaas('scram.ScramLoginModule', '')
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': key,
    'ssl.keystore.certificate.chain': certificate,
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl_ssl.plain.sasl.jaas.config': jaas('plain.PlainLoginModule', ` user_${username}="${password}"`),
    'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': scram,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Whoever comes without encryption: the tests themselves.
    'super.users': 'User:ANONYMOUS',
  }
}

const formatProperties = (values: Record<string, string | number>) =>
  Object.entries(values)
    .map(([key, value]) => `${key}=${String(value).trim().replaceAll('\n', '\\n\\\n')}\n`)
    .join('')

async function becomeReady(child: ChildProcess, port: number): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await setTimeout(100)) {
    if (!isRunning(child)) throw new Error(`kafka ended with ${child.exitCode ?? child.signalCode}`)
    if ((await countBrokers(port)) > 0) return
  }
  throw new Error(`kafka on port ${port} does not answer after ${READY_MS} ms`)
}

/** Asks for the metadata of no topic (key 3, version 1): a broker that is ready lists itself. */
function countBrokers(port: number): Promise<number> {
  const client = Buffer.from('test')
  const request = Buffer.alloc(18 + client.length)
  request.writeInt32BE(request.length - 4, 0)
  request.writeInt16BE(3, 4)
  request.writeInt16BE(1, 6)
  request.writeInt32BE(1, 8)
  request.writeInt16BE(client.length, 12)
  client.copy(request, 14)
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    let answer = Buffer.alloc(0)
    const done = (count: number) => {
      socket.destroy()
      resolve(count)
    }
    socket.setTimeout(2000, () => done(0))
    socket.on('error', () => done(0))
    socket.on('close', () => done(0))
    socket.on('data', chunk => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length >= 12) done(answer.readInt32BE(8))
    })
  })
}

/** A port that is free now and that no outgoing connection is given meanwhile: a broker that comes back needs its old one. At random, as test files run at once. */
export async function freeLowPort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const free = await new Promise<boolean>(resolve => {
      const server = createServer()
      server.on('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
  throw new Error('no free port between 20000 and 32000 in 100 tries')
}
