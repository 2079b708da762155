// The chain in a thread of its own, so that the 10 to 30 ms that a block takes never hold up the server's event loop.
import { parentPort, workerData } from 'node:worker_threads'
import { LedgerError } from '../../error.ts'
import { RpcError } from '../provider.ts'
import type { Answer, Question } from './provider.ts'
import { openEmbedded } from './open.ts'

const port = parentPort
if (port === null) throw new Error('chain-thread.ts runs in a worker thread: use createEmbeddedProvider')
const answer = (message: Answer) => port.postMessage(message)

try {
  const embedded = await openEmbedded(workerData.options, { now: workerData.now })
  port.on('message', async ({ id, method, params, now }: Question) => {
    try {
      if (method === 'close') {
        await embedded.close()
        answer({ id, result: null })
        port.close()
      } else {
        answer({ id, result: await embedded.rpc.handle(method, params, now) })
      }
    } catch (error) {
      answer({ id, error: describe(error) })
    }
  })
  answer({ id: 0, result: null })
} catch (error) {
  answer({ id: 0, error: describe(error) })
  port.close()
}

function describe(error: unknown): NonNullable<Answer['error']> {
  if (error instanceof RpcError) return { rpc: error.code, message: error.message, data: error.data }
  if (error instanceof LedgerError) return { ledger: error.code, message: error.message }
  return { rpc: -32603, message: error instanceof Error ? error.message : String(error) }
}
