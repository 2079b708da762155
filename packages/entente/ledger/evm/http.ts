import { LedgerError } from '../error.ts'
import { type ClosableProvider, RpcError, type RpcRequest } from './provider.ts'

/** Most bytes of an answer. */
const MAX_ANSWER = 32 * 1024 * 1024

export interface HttpProviderOptions {
  /** Nodes of one network, the preferred first. User and password in a URL are sent as Basic authorisation. */
  readonly urls: readonly string[]
  readonly timeoutMs?: number
  readonly fetch?: typeof fetch
}

/**
 * JSON-RPC 2.0 over HTTP. Each request goes to the first node that answers; the one that did stays first until it fails. A request
 * that was sent may have taken effect although no answer came: then the next node gets the same bytes, which a chain takes once.
 * Throws RpcError when a node answers no, LedgerError `unreachable` when none answers.
 */
export function createHttpProvider({
  urls,
  timeoutMs = 10_000,
  fetch: send = fetch,
}: HttpProviderOptions): Required<ClosableProvider> {
  if (urls.length === 0) throw new LedgerError('invalid', 'no URL of a node is given')
  const nodes = urls.map(parseUrl)
  const closing = new AbortController()
  let first = 0
  let id = 0

  async function post({ url, headers }: (typeof nodes)[number], body: string): Promise<Reply> {
    const response = await send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      redirect: 'error',
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]),
    })
    const text = await readBounded(response)
    try {
      return { status: response.status, json: JSON.parse(text) as unknown }
    } catch (cause) {
      throw new Error(`HTTP ${response.status} without JSON`, { cause })
    }
  }

  /** From the first node that gives an answer which can be read. */
  async function askFirst<T>(what: string, body: string, read: (reply: Reply) => T): Promise<T> {
    const failures: string[] = []
    let cause: unknown
    for (let attempt = 0; attempt < nodes.length && !closing.signal.aborted; attempt++) {
      const at = (first + attempt) % nodes.length
      const node = nodes[at]
      if (node === undefined) break
      try {
        const result = read(await post(node, body))
        first = at
        return result
      } catch (error) {
        if (error instanceof RpcError) throw error
        cause = error
        failures.push(`${node.shown}: ${reasonOf(error)}`)
      }
    }
    if (closing.signal.aborted)
      throw new LedgerError('unreachable', 'the connection to the ledger was closed; open it again')
    throw new LedgerError(
      'unreachable',
      `no node answered ${what} (${failures.join('; ')}): check the URLs, or wait for the network`,
      { cause },
    )
  }

  const toCall = ({ method, params = [] }: RpcRequest) => ({ jsonrpc: '2.0', id: ++id, method, params })
  const request = ({ method, params = [] }: RpcRequest) =>
    askFirst(method, JSON.stringify(toCall({ method, params })), readAnswer)

  return {
    request,
    async requestAll(requests) {
      const [one] = requests
      if (one === undefined) return []
      const calls = requests.map(toCall)
      const what = `${calls.length} times ${one.method}`
      try {
        return await askFirst(what, JSON.stringify(calls), reply => readAnswers(reply, calls))
      } catch (error) {
        if (!(error instanceof RpcError)) throw error
        return Promise.allSettled(requests.map(request)) // a node that takes one at a time
      }
    },
    close: async () => closing.abort(),
  }
}

type Reply = { status: number; json: unknown }

/** @throws RpcError where the node says no; Error where it is no answer */
function readAnswer({ status, json }: Reply): unknown {
  if (typeof json !== 'object' || json === null) throw new Error(`HTTP ${status} without a JSON-RPC answer`)
  const { error } = json as { error?: { code?: unknown; message?: unknown; data?: unknown } | null }
  if (error !== undefined && error !== null) {
    throw new RpcError(
      typeof error.code === 'number' ? error.code : -32603,
      String(error.message).slice(0, 1000),
      error.data,
    )
  }
  if (!Object.hasOwn(json, 'result')) throw new Error(`HTTP ${status} without a JSON-RPC result`)
  return (json as { result: unknown }).result
}

/** The answers of a batch, which come in any order. @throws as {@link readAnswer}, where it is no batch */
function readAnswers({ status, json }: Reply, calls: readonly { id: number }[]): PromiseSettledResult<unknown>[] {
  if (!Array.isArray(json)) {
    readAnswer({ status, json })
    throw new Error(`HTTP ${status} with one answer to ${calls.length} calls`)
  }
  const answers = new Map(json.map((one: unknown) => [(one as { id?: unknown } | null)?.id, one]))
  return calls.map(call => {
    try {
      return { status: 'fulfilled', value: readAnswer({ status, json: answers.get(call.id) }) }
    } catch (reason) {
      return { status: 'rejected', reason }
    }
  })
}

/** A URL as it may be shown: without user, password and path, which may hold a key. Throws LedgerError `invalid`. */
export const shownUrl = (url: string): string => parseUrl(url).shown

function parseUrl(text: string) {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new LedgerError('invalid', `${text} is no http or https URL`)
  const { username, password } = url
  url.username = ''
  url.password = ''
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  return { url, shown: url.origin, headers: username === '' ? undefined : { authorization: `Basic ${credentials}` } }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > MAX_ANSWER) throw new Error(`an answer of more than ${MAX_ANSWER} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
