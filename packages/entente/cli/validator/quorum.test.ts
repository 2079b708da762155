// Validators that follow the registry, on a real QBFT network of GoQuorum, where ENTENTE_TEST_QUORUM names its geth.
import { join } from 'node:path'
import { findQuorum, startQuorum } from '../../../../test/support/quorum.ts'
import { temporaryFolder } from '../../../../test/support/server.ts'
import { validatorScenario } from './test/scenario.ts'

for (const consensus of ['qbft', 'ibft'] as const)
  validatorScenario(`GoQuorum ${consensus}`, {
    validators: 'istanbul_getValidators',
    async start(t) {
      const quorum = findQuorum()
      if ('reason' in quorum) return quorum.reason
      return startQuorum(quorum.path, join(temporaryFolder(t), consensus), consensus, { validators: 3, newcomers: 1 })
    },
    async sealers({ rpc }, count) {
      const head = Number(await rpc('eth_blockNumber'))
      const blocks = Array.from({ length: Math.min(count, head) }, (_, i) => `0x${(head - i).toString(16)}`)
      const found = await Promise.all(blocks.map(block => rpc('istanbul_getSignersFromBlock', [block])))
      return new Set(found.flatMap(one => (one as { Committers: string[] }).Committers.map(c => c.toLowerCase())))
    },
  })
