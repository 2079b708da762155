import { joinChunks, type RecordChunk, type RecordKeeper, toBatches } from '../records.ts'

export interface FabricRecordsOptions {
  /** Asks the chaincode. */
  readonly ask: (name: string, ...args: string[]) => Promise<unknown>
  /** Has a call of the chaincode committed; does nothing where it would change nothing. */
  readonly submit: (name: string, args: readonly string[]) => Promise<void>
  /** Records are kept under a log, and only its owner puts them: nobody else's are in the way. */
  readonly logId: string
}

/** Records in the chaincode's state, a key for each piece. */
export function createFabricRecords({ ask, submit, logId }: FabricRecordsOptions): RecordKeeper {
  const chunk = async (id: Uint8Array, index: number): Promise<Omit<RecordChunk, 'id'> | undefined> => {
    const found = await ask('getRecord', logId, toHex(id), String(index))
    if (found === undefined) return undefined
    const { chunk: data, count } = found as { chunk: string; count: number }
    return { index, count, data: Buffer.from(data, 'base64') }
  }
  return {
    async put(records) {
      for (const batch of toBatches(records)) {
        const parts = batch.flatMap(({ id, index, count, data }) => [
          toHex(id),
          String(index),
          String(count),
          Buffer.from(data).toString('base64'),
        ])
        await submit('putRecords', [logId, ...parts])
      }
    },
    async get(id) {
      const first = await chunk(id, 0)
      if (first === undefined) return []
      const chunks = [first]
      for (let index = 1; index < first.count; index++) {
        const next = await chunk(id, index)
        if (next === undefined) return []
        chunks.push(next)
      }
      const whole = joinChunks(chunks)
      return whole === undefined ? [] : [whole]
    },
  }
}

const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
