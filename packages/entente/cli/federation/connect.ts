import { existsSync, readFileSync } from 'node:fs'
import { LedgerError } from '#ledger/error.ts'
import type { ClosableProvider } from '#ledger/evm/provider.ts'
import { CliError } from '../errors.ts'
import { type OpenChain, openChain } from './chains.ts'
import { type Country, loadCountry } from './config.ts'
import { type ChainName, formatChainName } from './layout.ts'
import type { About } from './up.ts'

/** Where the process of a country answers: as it says itself in its folder. @throws CliError `unreachable` */
export function urlOf({ config, paths }: Country): string {
  const { port, host } = config.rpc
  if (existsSync(paths.running)) {
    const { url } = JSON.parse(readFileSync(paths.running, 'utf8')) as { url: string }
    return url
  }
  if (port !== 0) return `http://${host}:${port}`
  throw notRunning(config.country)
}

const notRunning = (country: string, cause?: unknown) =>
  new CliError(
    'unreachable',
    `${country} does not run: start it with "entente federation up ${country}", or the demo`,
    {
      cause,
    },
  )

/**
 * A chain of the federation by way of the process that keeps it, or of the network that it is on.
 *
 * @param url of the process, where it is not the one that the folder names
 * @throws CliError `usage`, `unreachable`
 */
export async function connectChain(dir: string, name: ChainName, url?: string): Promise<OpenChain> {
  const country = loadCountry(dir, name.country)
  const config = country.config.chains[name.kind]
  if (config === undefined) throw new CliError('usage', `${country.paths.config} has no chain ${formatChainName(name)}`)
  const { createHttpProvider } = await import('#ledger/evm/http.ts')
  type Http = ReturnType<typeof createHttpProvider>
  const http = new Map<string, Http>()
  const open = (urls: readonly string[]): Http => {
    const key = urls.join(' ')
    const provider = http.get(key) ?? createHttpProvider({ urls })
    http.set(key, provider)
    return provider
  }
  const ask = async <T>(of: (provider: Http) => Promise<T>): Promise<T> => {
    if (config.kind === 'evm') return of(open(config.urls))
    // A process that was started anew may be elsewhere.
    const at = `${url ?? urlOf(country)}/${name.kind}`
    return of(open([at])).catch(error => {
      if (error instanceof LedgerError && error.code === 'unreachable') throw notRunning(name.country, error)
      throw error
    })
  }
  const provider = async (): Promise<ClosableProvider> => ({
    close: async () => void (await Promise.all([...http.values()].map(one => one.close()))),
    request: request => ask(provider => provider.request(request)),
    requestAll: requests => ask(provider => provider.requestAll(requests)),
  })
  return openChain(country, name, config, provider)
}

/** What the process that keeps a chain says of itself; undefined where it is on a network of others. */
export async function aboutOf(chain: OpenChain): Promise<About | undefined> {
  if (chain.config.kind !== 'embedded') return undefined
  return (await chain.provider?.request({ method: 'entente_process' })) as About | undefined
}
