import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { END_MS, isRunning, own } from './processes.ts'

/** Where Debian's package has the programs themselves: the ones in /usr/sbin insist on the user `rabbitmq` and its folders. */
const PROGRAMS = '/usr/lib/rabbitmq/bin'
const READY_MS = 60_000
/** Tries to find ports that nobody takes before the broker does. */
const TRIES = 4
/** AMQP, Erlang's names and distribution, and one for the settings. */
const PORTS = 4

export type Rabbitmq = {
  /** Of the user guest, who may do everything. */
  url: string
  port: number
  /** Ends it, and it keeps what it has for the next `start`. */
  stop(): Promise<void>
  /** As by kill -9. */
  kill(): Promise<void>
  /** Again, on the same port with the same data. */
  start(): Promise<void>
  /** The broker stands still and answers nothing, its connections stay; until `resume`. */
  pause(): void
  resume(): void
  /** Runs rabbitmqctl on it, and gives what that prints. */
  control(...args: string[]): Promise<string>
}

/** The folder of RabbitMQ's programs, which the first call installs where it can; or why there can't be one here, for `t.skip`. */
export function installRabbitmq(): { path: string } | { reason: string } {
  if (existsSync(join(PROGRAMS, 'rabbitmq-server'))) return { path: PROGRAMS }
  if (process.getuid?.() !== 0) return { reason: 'rabbitmq-server is not installed, and only root can install it' }
  if (!existsSync('/usr/bin/apt-get')) return { reason: 'rabbitmq-server is installed by apt-get, which is not here' }
  // RUNLEVEL=1 keeps the package from starting a broker of its own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const apt = (...args: string[]) =>
    void execFileSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, stdio: 'pipe' })
  const install = () => apt('install', '-y', '--no-install-recommends', 'rabbitmq-server')
  try {
    try {
      install()
    } catch {
      apt('update')
      install()
    }
    return { path: PROGRAMS }
  } catch (error) {
    return { reason: `rabbitmq-server could not be installed: ${(error as Error).message.slice(0, 300)}` }
  }
}

/**
 * Starts a broker of its own on loopback, with its data in `folder`, and waits until it answers.
 *
 * @param settings Lines of its configuration, given one more free port
 */
export async function startRabbitmq(
  path: string,
  folder: string,
  settings: (port: number) => Record<string, string> = () => ({}),
): Promise<Rabbitmq> {
  for (let tries = 1; ; tries++) {
    const port = await freePorts(PORTS)
    const broker = prepare(path, folder, port, settings(port + PORTS - 1))
    try {
      await broker.start()
      return broker
    } catch (error) {
      // Another test may have taken one of the ports.
      if (tries === TRIES) throw error
    }
  }
}

function prepare(path: string, folder: string, port: number, more: Record<string, string>): Rabbitmq {
  const [names, distribution] = [port + 1, port + 2]
  const data = join(folder, `node-${port}`)
  const pid = join(data, 'pid')
  mkdirSync(join(data, 'home'), { recursive: true })
  writeFileSync(join(data, 'enabled_plugins'), '[].')
  // A test's broker takes queues whatever the disk has left, and little memory.
  const settings = {
    'listeners.tcp.1': `127.0.0.1:${port}`,
    'disk_free_limit.absolute': '50MB',
    'vm_memory_high_watermark.absolute': '512MB',
    'log.console': 'false',
    ...more,
  }
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`)
  writeFileSync(join(data, 'rabbitmq.conf'), lines.join(''))
  const env = {
    ...process.env,
    HOME: join(data, 'home'),
    RABBITMQ_NODENAME: `test${port}@localhost`,
    RABBITMQ_CONFIG_FILE: join(data, 'rabbitmq'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(data, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(data, 'mnesia'),
    RABBITMQ_LOG_BASE: join(data, 'log'),
    RABBITMQ_PID_FILE: pid,
    RABBITMQ_DIST_PORT: String(distribution),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(names),
    // One scheduler that sleeps when idle: tests have few cores.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}',
  }
  let running: { script: ChildProcess; epmd: ChildProcess } | undefined
  /** To the Erlang node itself, which the script waits for; before there is one, to the script. */
  const signal = (name: NodeJS.Signals) => {
    const node = existsSync(pid) ? Number.parseInt(readFileSync(pid, 'utf8'), 10) : Number.NaN
    if (node > 1) process.kill(node, name)
    else running?.script.kill(name)
  }

  const end = async (how: () => unknown): Promise<void> => {
    if (running === undefined) return
    const { script, epmd } = running
    if (isRunning(script)) {
      script.ref()
      const exited = new Promise(resolve => script.once('exit', resolve))
      const late = later(() => {
        signal('SIGKILL')
        script.kill('SIGKILL')
      }, END_MS)
      how()
      await exited
      clearTimeout(late)
    }
    running = undefined
    epmd.kill('SIGKILL')
  }
  const start = async (): Promise<void> => {
    rmSync(pid, { force: true }) // of one that was killed: another process may have its number by now
    const log = openSync(join(data, 'output.log'), 'a')
    // In the foreground, so that it ends with its broker: the one that Erlang starts by itself stays for ever.
    const epmd = spawn('epmd', ['-port', String(names), '-address', '127.0.0.1'], { stdio: ['ignore', log, log] })
    epmd.on('error', () => {})
    own(epmd)
    // A node that was killed writes what it finds of its tables into the folder that it is started in.
    const script = spawn(join(path, 'rabbitmq-server'), [], { cwd: data, env, stdio: ['ignore', log, log] })
    closeSync(log)
    own(script)
    running = { script, epmd }
    try {
      await answers(script, port)
    } catch (error) {
      await end(() => signal('SIGKILL'))
      const output = readFileSync(join(data, 'output.log'), 'utf8').slice(-2000)
      throw new Error(`${(error as Error).message}\n${output}`, { cause: error })
    }
  }
  // Nothing stays behind where a test ends without stopping it.
  process.once('exit', () => {
    if (running === undefined || !isRunning(running.script)) return
    signal('SIGKILL')
  })
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}/`,
    port,
    start,
    stop: () => end(() => signal('SIGTERM')),
    kill: () => end(() => signal('SIGKILL')),
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    control: async (...args) => (await promisify(execFile)(join(path, 'rabbitmqctl'), args, { env })).stdout,
  }
}

async function answers(script: ChildProcess, port: number): Promise<void> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await setTimeout(100)) {
    if (!isRunning(script)) throw new Error(`RabbitMQ ended with ${script.exitCode ?? script.signalCode}`)
    if (await greets(port)) return
  }
  throw new Error(`RabbitMQ on port ${port} does not answer after ${READY_MS} ms`)
}

/** Whether the protocol header (AMQP 0-9-1, 4.2.2) is answered by a method frame: the port opens last. */
function greets(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write('AMQP\0\0\x09\x01', 'latin1'))
    const done = (value: boolean) => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(2000, () => done(false))
    socket.on('error', () => done(false))
    socket.on('end', () => done(false))
    socket.on('data', chunk => done(chunk[0] === 1))
  })
}

/** The first of `count` ports in a row that are free now, below those that the system gives to outgoing connections. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 20_000 + count * Math.floor(Math.random() * Math.floor(12_000 / count))
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)))
    if (free.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
