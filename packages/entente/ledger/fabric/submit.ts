import { GatewayError, type ProposalOptions, StatusCode, type Transaction } from '@hyperledger/fabric-gateway'
import { LedgerError } from '../error.ts'
import type { SubmitJournal } from '../journal.ts'
import { parseWrites } from './block.ts'
import type { FabricConnection } from './connection.ts'
import { GRPC, isAway, isOutOfStep } from './refusal.ts'

export interface SubmitterOptions {
  readonly connection: FabricConnection
  readonly journal: SubmitJournal
  /** How long the outcome of a transaction is waited for. */
  readonly timeoutMs: number
  readonly pollMs: number
  readonly wait: (milliseconds: number) => Promise<unknown>
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
}

/** How a call ended. `conflict`: it is in a block and did nothing, because another transaction was faster. */
export interface Submitted {
  readonly is: 'valid' | 'conflict'
  /** Undefined where there was nothing to write. */
  readonly transaction: string | undefined
}

/** Transactions, one at a time. */
export interface Submitter {
  /**
   * Has a call endorsed, ordered and committed.
   * Throws `unreachable` with the transaction where the outcome stays unknown: `settle` goes on from there.
   */
  submit(name: string, args: readonly string[]): Promise<Submitted>
  /**
   * Ends what an earlier call, or a process that was killed, left under way. Throws `unreachable` as `submit` does.
   *
   * @returns the call, function and arguments, and its transaction, where it has taken effect
   */
  settle(): Promise<{ readonly call: readonly string[]; readonly transaction: string } | undefined>
  /** The transaction as it is in a block, with its validation code; undefined where it is in none. */
  find(transaction: string): Promise<Uint8Array | undefined>
}

type Pending = {
  fabricChannel: string
  chaincode: string
  transaction: string
  prepared: string
  /** Left out by an earlier version. */
  call?: readonly string[]
}

export function createSubmitter({ connection, journal, timeoutMs, pollMs, wait, now }: SubmitterOptions): Submitter {
  const { fabricChannel, chaincode, endorsers } = connection.options

  /**
   * Sends a prepared transaction until its outcome is known. Its id is part of what the endorsers signed, so it takes effect once however
   * often it is sent; and it read what it changes, so that of two that follow the same checkpoint one is void.
   */
  async function carry({ transaction, prepared }: Pending): Promise<'valid' | 'conflict'> {
    const bytes = Buffer.from(prepared, 'base64')
    for (const end = now() + timeoutMs; ; await wait(pollMs)) {
      try {
        const { code, successful } = await connection.ask(async gateway => {
          const submitted = await gateway.newTransaction(bytes).submit()
          return submitted.getStatus()
        })
        // Crash here: it is in a block, and the journal still names it; settle finds it there
        await journal.write(undefined)
        if (successful) return 'valid'
        if (code === StatusCode.MVCC_READ_CONFLICT || code === StatusCode.PHANTOM_READ_CONFLICT) return 'conflict'
        throw new LedgerError('refused', explainCode(transaction, code), { transaction })
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'unreachable') throw error
        if (isRefusedByOrderer(error)) {
          await journal.write(undefined)
          throw new LedgerError('refused', `the orderers do not take it: ${error.message}`, {
            cause: error,
            transaction,
          })
        }
        if (now() >= end)
          throw new LedgerError(
            'unreachable',
            `no outcome of transaction ${transaction} in ${timeoutMs} ms: ${error.message}`,
            {
              cause: error,
              transaction,
            },
          )
      }
    }
  }

  /** Peers that were away find each other again within seconds. */
  async function endorse(name: string, options: ProposalOptions): Promise<Transaction> {
    for (const end = now() + timeoutMs; ; await wait(pollMs)) {
      try {
        return await connection.ask((_, contract) => contract.newProposal(name, options).endorse())
      } catch (error) {
        if (!(error instanceof LedgerError) || error.code !== 'unreachable' || now() >= end || isOutOfStep(error))
          throw error
      }
    }
  }

  const find = (transaction: string) => findTransaction(connection, transaction)

  return {
    find,
    async submit(name, args) {
      const options: ProposalOptions = {
        arguments: [...args],
        ...(endorsers === undefined ? {} : { endorsingOrganizations: [...endorsers] }),
      }
      const endorsed = await endorse(name, options)
      // The chaincode's word for it that there is nothing to write
      if (Buffer.from(endorsed.getResult()).toString() === 'false') return { is: 'valid', transaction: undefined }
      const prepared = Buffer.from(endorsed.getBytes()).toString('base64')
      const transaction = endorsed.getTransactionId()
      const pending: Pending = { fabricChannel, chaincode, transaction, prepared, call: [name, ...args] }
      // Crash here: it was endorsed and sent to nobody who orders
      await journal.write(Buffer.from(JSON.stringify(pending)))
      // Crash from here on: settle asks what became of it, and sends the same bytes again if nothing did
      return { is: await carry(pending), transaction }
    },
    async settle() {
      const written = await journal.read()
      if (written === undefined) return undefined
      const pending = JSON.parse(Buffer.from(written).toString()) as Pending
      const { transaction, call = [] } = pending
      if (pending.fabricChannel !== fabricChannel || pending.chaincode !== chaincode)
        throw new LedgerError(
          'mismatch',
          `a transaction of chaincode ${pending.chaincode} on ${pending.fabricChannel} is under way, configured is ${chaincode} on ${fabricChannel}: bring it to an end there, or remove the journal`,
          { transaction },
        )
      const processed = await find(transaction)
      if (processed !== undefined) {
        await journal.write(undefined)
        return parseWrites(processed, chaincode) === undefined ? undefined : { call, transaction }
      }
      try {
        return (await carry(pending)) === 'valid' ? { call, transaction } : undefined
      } catch (error) {
        // Whatever was wrong with it, it is no longer under way
        if (!(error instanceof LedgerError) || error.code !== 'refused') throw error
        return undefined
      }
    },
  }
}

/** A transaction as it is in a block, with its validation code; undefined where it is in none. */
export async function findTransaction(
  connection: FabricConnection,
  transaction: string,
): Promise<Uint8Array | undefined> {
  try {
    return await connection.evaluate('GetTransactionByID', [connection.options.fabricChannel, transaction], 'qscc')
  } catch (error) {
    if (error instanceof LedgerError && error.message.includes('no such transaction ID')) return undefined
    throw error
  }
}

/** The gateway's words for an answer of the orderers that trying again does not change (status 4xx). */
const isRefusedByOrderer = ({ cause }: LedgerError): boolean =>
  cause instanceof GatewayError &&
  !isAway(cause) &&
  cause.code === GRPC.ABORTED &&
  cause.message.includes('unsuccessful response from orderer')

function explainCode(transaction: string, code: number): string {
  const name = Object.entries(StatusCode).find(([, value]) => value === code)?.[0] ?? String(code)
  const advice =
    code === StatusCode.ENDORSEMENT_POLICY_FAILURE
      ? 'the chaincode asks for the endorsement of more organisations than those that endorsed: see `endorsers`'
      : 'the peers found it invalid'
  return `transaction ${transaction} is in a block and void (${name}): ${advice}`
}
