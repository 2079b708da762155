// Chains in a thread of their own, so that the 10 to 30 ms that a block takes never hold up the server's event loop.
import { parentPort } from 'node:worker_threads'
import { LedgerError } from '../../error.ts'
import { RpcError } from '../provider.ts'
import { type Answer, gone, type Question } from './host.ts'
import { type Embedded, openEmbedded } from './open.ts'

const port = parentPort
if (port === null) throw new Error('chain-thread.ts runs in a worker thread: use createEmbeddedHost')
const chains = new Map<number, Embedded>()

port.on('message', async (question: Question) => {
  try {
    reply({ id: question.id, result: await handle(question) })
  } catch (error) {
    reply({ id: question.id, error: describe(error) })
  }
  if (question.do === 'end') port.close()
})

function reply(answer: Answer): void {
  port?.postMessage(answer)
}

async function handle(question: Question): Promise<unknown> {
  const { chain, now } = question
  switch (question.do) {
    case 'open':
      chains.set(chain, await openEmbedded(question.options, { now }))
      return null
    case 'ask': {
      const embedded = chains.get(chain)
      if (embedded === undefined) throw gone('it was closed')
      return embedded.rpc.handle(question.method, question.params, now)
    }
    case 'close':
      return closeChain(chain)
    case 'end':
      await Promise.all([...chains.keys()].map(closeChain))
      return null
  }
}

async function closeChain(chain: number): Promise<null> {
  const embedded = chains.get(chain)
  chains.delete(chain)
  await embedded?.close()
  return null
}

function describe(error: unknown): NonNullable<Answer['error']> {
  if (error instanceof RpcError) return { rpc: error.code, message: error.message, data: error.data }
  if (error instanceof LedgerError) return { ledger: error.code, message: error.message }
  return { rpc: -32603, message: error instanceof Error ? error.message : String(error) }
}
