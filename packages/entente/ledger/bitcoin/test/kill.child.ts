// A process that anchors size 7 and kills itself at a point: node kill.child.ts URL KEY JOURNAL SEED POINT
import { BTCD_USER } from '../../../../../test/support/btcd.ts'
import { append } from '../../conformance/anchor.ts'
import { TestTree } from '../../conformance/tree.ts'
import { openFileJournal } from '../../journal.ts'
import { openBitcoinAnchor } from '../anchor.ts'
import { BITCOIN_NETWORKS } from '../network.ts'
import { createBitcoinRpc } from '../rpc.ts'
import { simnetAccount } from './simnet.ts'

const [url = '', key = '', journal = '', seed = '', point = ''] = process.argv.slice(2)
const anchor = await openBitcoinAnchor({
  id: 'btc',
  rpc: createBitcoinRpc(url, BTCD_USER),
  network: BITCOIN_NETWORKS.simnet,
  account: simnetAccount(key),
  origin: 'log.example/test',
  journal: openFileJournal(journal),
  fault: at => {
    if (at === point) process.kill(process.pid, 'SIGKILL')
  },
})
await append(anchor, new TestTree(seed), 7)
