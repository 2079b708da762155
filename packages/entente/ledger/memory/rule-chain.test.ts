import { createMemoryChain } from './rule-chain.ts'
import { ruleChainConformance } from '../conformance/rule-chain.ts'

ruleChainConformance('memory', async genesis => {
  const key = (n: number) => `key-${n}`
  const chain = await createMemoryChain({ genesis: genesis(key), now: () => Date.now() / 1000 })
  return { level: 'asked', finality: 'instant', as: async n => chain.as(key(n)), dispose: async () => {} }
})
