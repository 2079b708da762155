import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { createServer, isIP } from 'node:net'
import { resolve } from 'node:path'
import type { Config, Paths } from '../config.ts'
import { type Check, ok, type Patient, problem, type Seen, warning } from './check.ts'

const DAY_MS = 86_400_000
/** Long enough to get another one. */
const SOON_MS = 21 * DAY_MS
const ANSWER_MS = 3000
const MOST_BYTES = 65_536
const RUNNING = 'running server'
const TAKEN = 'address'
const RENEW = 'Renew it; a running server takes the new files over by itself.'

export const serverChecks = ({ server }: Config): Check[] => [
  { name: 'address', group: 'server', run: address },
  ...(server.tls
    ? [{ name: 'certificate', group: 'server', run: async patient => certificate(patient) } satisfies Check]
    : []),
]

/** The ports are free, or it is this server that has them: then it is asked how it is. */
async function address({ config, paths }: Patient): Promise<Seen[]> {
  const { host, port, metrics } = config.server
  const own = await look(host, port, 'address', () => running(config, paths))
  if (!metrics) return [own]
  const subject = 'address of metrics'
  const at = `${metrics.host}:${metrics.port}`
  const isRunning = own.subject === RUNNING
  const taken = async () =>
    isRunning
      ? ok(subject, `${at} is in use while the server runs`)
      : problem(subject, `${at} is taken by another program`, 'Stop it, or set another port as server.metrics.')
  return [own, await look(metrics.host, metrics.port, subject, taken)]
}

const MENDS: Record<string, string> = {
  EACCES:
    'Choose a port of at least 1024 with --port, or give the server the right to lower ones (CAP_NET_BIND_SERVICE).',
  EADDRNOTAVAIL: 'Set server.host to an address of this machine.',
  ENOTFOUND: 'Set server.host to an address of this machine, or a name that leads to it.',
}

async function look(host: string, port: number, subject: string, whenTaken: () => Promise<Seen>): Promise<Seen> {
  const at = `${host}:${port}`
  if (port === 0) return ok(subject, `${host}, on any port that is free`)
  const code = await tryListening(host, port)
  if (code === undefined) return ok(subject, `${at} is free: no server runs here`)
  if (code === 'EADDRINUSE') return whenTaken()
  return problem(subject, `${at} can't be listened on (${code})`, MENDS[code] ?? 'Choose another address.')
}

function tryListening(host: string, port: number): Promise<string | undefined> {
  return new Promise(settle => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => settle(undefined)))
  })
}

async function running({ server }: Config, paths: Paths): Promise<Seen> {
  const { host, port, tls } = server
  const at = `${host}:${port}`
  // Whatever it listens on, this machine reaches it here.
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  const url = `http${tls ? 's' : ''}://${name}:${port}/readyz`
  let answer: { status: number; text: string }
  try {
    answer = await get(
      url,
      tls?.clientCa === undefined ? undefined : { cert: tls.cert, key: tls.key, base: paths.base },
    )
  } catch (error) {
    const seen = `${at} is taken, and what has it does not answer as a server: ${(error as Error).message}`
    return tls?.clientCa === undefined
      ? problem(TAKEN, seen, 'Stop what listens there, or choose another port with --port.')
      : warning(TAKEN, seen, 'See by "curl --cert" of a client of server.tls.clientCa whether it is this server.')
  }
  const state = parse(answer.text)
  if (state?.['status'] === 'ready')
    return ok(RUNNING, `it runs at ${at} and takes writes, at size ${state['log_size']}`)
  if (state?.['status'] === 'halted')
    return problem(
      RUNNING,
      `it runs at ${at} and takes no writes: ${state['reason']}`,
      'docs/operating.md, "When something is wrong", goes through the reasons.',
    )
  return problem(
    TAKEN,
    `${at} is taken by another program (status ${answer.status})`,
    'Stop it, or choose another port with --port.',
  )
}

/** Of this machine, so the certificate's name does not count. */
function get(
  url: string,
  client: { cert: string; key: string; base: string } | undefined,
): Promise<{ status: number; text: string }> {
  return new Promise((settle, reject) => {
    const own = client && {
      cert: readFileSync(resolve(client.base, client.cert)),
      key: readFileSync(resolve(client.base, client.key)),
    }
    const options = { agent: false, rejectUnauthorized: false, signal: AbortSignal.timeout(ANSWER_MS), ...own }
    const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, options, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', part => {
        text += part
        if (text.length > MOST_BYTES) request.destroy(new Error('it answers with too much'))
      })
      response.on('end', () => settle({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end()
  })
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function certificate({ config, paths, machine }: Patient): Seen[] {
  const { tls, publicUrl } = config.server
  if (!tls) return []
  const read = (file: string) => readFileSync(resolve(paths.base, file))
  const now = machine.clock() / 1000
  const cert = new X509Certificate(read(tls.cert))
  const seen = [validity('certificate', cert, now)]
  if (!cert.checkPrivateKey(createPrivateKey(read(tls.key))))
    seen.push(
      problem('certificate', `${tls.key} is not the key of ${tls.cert}`, 'Name the two files that belong together.'),
    )
  const host = publicUrl && new URL(publicUrl).hostname.replace(/^\[(.*)\]$/, '$1')
  if (host && !(isIP(host) === 0 ? cert.checkHost(host) : cert.checkIP(host)))
    seen.push(
      warning(
        'certificate',
        `it is not for ${host}, which server.publicUrl names: ${cert.subjectAltName ?? cert.subject}`,
        'Get one for this name, unless a proxy in front has it.',
      ),
    )
  if (tls.clientCa !== undefined)
    seen.push(validity("certificate of the clients' authority", new X509Certificate(read(tls.clientCa)), now))
  return seen
}

function validity(subject: string, { validFrom, validTo }: X509Certificate, now: number): Seen {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  if (now < from)
    return problem(subject, `it is valid only from ${validFrom}`, 'Wait until then, or set the clock right.')
  if (now > to) return problem(subject, `it expired: ${validTo}`, RENEW)
  const days = Math.floor((to - now) / DAY_MS)
  return to - now < SOON_MS
    ? warning(subject, `it expires in ${days} days: ${validTo}`, RENEW)
    : ok(subject, `valid until ${validTo}`)
}
