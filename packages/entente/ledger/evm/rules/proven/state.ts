// Views of contracts, run here, over state that was proven slot by slot: what a node says is looked at only where the seals of pinned
// validators lead to it.
import { bytesToHex } from 'viem/utils'
import { createCommon } from '../../embedded/common.ts'
import type { Ask } from '../../rpc.ts'
import { createProvenHeaders, type ProvenHeader, type ProvenHeadersOptions } from './headers.ts'
import { createProvenLogs, type ProvenLog } from './logs.ts'
import { createViews } from './machine.ts'
import { createProvenSlots } from './slots.ts'

export interface ProvenState {
  /** The newest block that is sealed enough, or the one that is named: it is waited for. Throws LedgerError `corrupt`, `pending`. */
  header(block?: number): Promise<ProvenHeader>
  /** What a block has logged; undefined where the node does not give all its receipts, or it is not sealed enough yet. Throws LedgerError `corrupt`. */
  logs(block: number): Promise<readonly ProvenLog[] | undefined>
  /** Runs a view at a block. Throws LedgerError `corrupt` where the node's proofs are none, `refused` where the contract reverts. */
  call(header: ProvenHeader, call: { contract: string; data: Uint8Array }): Promise<Uint8Array>
}

export interface ProvenStateOptions extends ProvenHeadersOptions {
  readonly ask: Ask
  readonly chainId: number
  /** Whether an address may have this code, which was proven to be there; throws where it may not. */
  readonly checkCode: (address: string, code: Uint8Array) => void
}

export function createProvenState(options: ProvenStateOptions): ProvenState {
  const { ask, chainId, checkCode } = options
  const common = createCommon(chainId)
  const headers = createProvenHeaders(options)
  const slots = createProvenSlots(ask, checkCode)
  const readLogs = createProvenLogs(ask, common)
  const run = createViews(common)
  return {
    header: headers.header,
    async logs(block) {
      const header = await headers.find(block)
      return header && readLogs(header)
    },
    call: (header, { contract, data }) =>
      run(
        { contract, data, number: header.number, time: header.time },
        {
          account: address => slots.account(header, address),
          code: address => slots.code(header, address),
          storage: slots.reader(header, `${contract} ${bytesToHex(data.subarray(0, 4))}`),
        },
      ),
  }
}
