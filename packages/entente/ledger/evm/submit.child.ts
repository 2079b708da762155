// Anchors size 7 and is killed while it does. Arguments: URL, file of the journal, journal | sent, number of the test account.
import { openFileJournal } from '../journal.ts'
import { testAccount } from '../conformance/evm.ts'
import { TestTree } from '../conformance/tree.ts'
import { createEvmAnchor } from './anchor.ts'
import { openEvmChain } from './chain.ts'
import { createHttpProvider } from './http.ts'

const [url = '', file = '', point = '', n = '0'] = process.argv.slice(2)
const kill = () => process.kill(process.pid, 'SIGKILL')
const journal = openFileJournal(file)
const http = createHttpProvider({ urls: [url] })
const tree = new TestTree('submit')

let isArmed = false
const chain = await openEvmChain({
  provider: {
    async request(request) {
      const answer = await http.request(request)
      if (isArmed && point === 'sent' && request.method === 'eth_sendRawTransaction') kill()
      return answer
    },
  },
  account: testAccount(Number(n)),
  chainId: 31337,
  finality: 'instant',
  journal: {
    read: () => journal.read(),
    async write(bytes) {
      await journal.write(bytes)
      if (isArmed && point === 'journal') kill()
    },
  },
})
const anchor = await createEvmAnchor(chain, { id: 'submit', origin: 'log.example/submit' })
isArmed = true
await anchor.append({ size: 7, root: tree.root(7), note: '' }, old => tree.consistency(old, 7))
