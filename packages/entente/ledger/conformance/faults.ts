import type { ClosableProvider } from '../evm/provider.ts'

/** An EIP-1193 provider whose next write can be made to fail, as networks do it. */
export function withFaults(provider: ClosableProvider) {
  let next: 'dropped' | 'answer-lost' | undefined
  let outage = false
  let down = false
  const broken = () => Object.assign(new Error('connection reset'), { cause: undefined })
  return {
    fault(kind: 'dropped' | 'answer-lost', withOutage: boolean) {
      next = kind
      outage = withOutage
    },
    heal() {
      down = false
    },
    provider: {
      async request(request) {
        if (down) throw broken()
        if (next === undefined || request.method !== 'eth_sendRawTransaction') return provider.request(request)
        const kind = next
        next = undefined
        down = outage
        if (kind === 'answer-lost') await provider.request(request)
        throw broken()
      },
      close: () => provider.close(),
    } satisfies ClosableProvider,
  }
}
