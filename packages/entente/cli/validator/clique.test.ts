// Validators that follow the registry, on a real Clique network: three sealers of go-ethereum, and one that would be.
import { join } from 'node:path'
import { installGeth, startClique } from '../../../../test/support/geth.ts'
import { temporaryFolder } from '../../../../test/support/server.ts'
import { validatorScenario } from './test/scenario.ts'

validatorScenario('Clique', {
  validators: 'clique_getSigners',
  async start(t, funded) {
    const geth = installGeth()
    if ('reason' in geth) return geth.reason
    return startClique(geth.path, join(temporaryFolder(t), 'clique'), { sealers: 3, newcomers: 1, funded })
  },
  async sealers({ rpc }, count) {
    const head = Number(await rpc('eth_blockNumber'))
    const blocks = Array.from({ length: Math.min(count, head) }, (_, i) => `0x${(head - i).toString(16)}`)
    const found = await Promise.all(blocks.map(block => rpc('clique_getSigner', [block])))
    return new Set(found.map(one => String(one).toLowerCase()))
  },
})
