import { createHttpProvider } from '../evm/http.ts'
import type { Rpc } from './node.ts'

/** Searches of a node through all coins take minutes; fetch itself gives up after five. */
const SEARCH_MS = 290_000
/** Calls at once: btcd takes ten connections from all its clients, Bitcoin Core four calls. */
const MAX_CALLS = 3

/**
 * The RPCs of a node over HTTP.
 *
 * @param credentials `user:password`, as in the node's configuration or in Bitcoin Core's `.cookie`
 */
export function createBitcoinRpc(url: string, credentials?: string): Rpc & { close(): Promise<void> } {
  const withUser = URL.parse(url)
  if (withUser !== null && credentials !== undefined) {
    const [user = '', ...password] = credentials.split(':')
    withUser.username = encodeURIComponent(user)
    withUser.password = encodeURIComponent(password.join(':'))
  }
  const urls = [withUser?.href ?? url]
  const [quick, slow] = [createHttpProvider({ urls }), createHttpProvider({ urls, timeoutMs: SEARCH_MS })]
  let calls = 0
  const waiting: (() => void)[] = []
  const rpc: Rpc = async (method, ...params) => {
    if (method === 'scantxoutset') return slow.request({ method, params })
    if (calls >= MAX_CALLS) await new Promise<void>(resolve => waiting.push(resolve))
    calls++
    try {
      return await quick.request({ method, params })
    } finally {
      calls--
      waiting.shift()?.()
    }
  }
  return Object.assign(rpc, {
    async close() {
      await Promise.all([quick.close(), slow.close()])
    },
  })
}
