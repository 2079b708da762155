import type { Hex } from 'viem'
import { keccak256 } from 'viem/utils'
import { LedgerError } from '../error.ts'
import type { EvmChain } from './chain.ts'
import { CHECKPOINT_ANCHOR, decodeOwner, encodeCall, explainRefusal, logIdOf, originHash } from './contract.ts'

export interface ContractLogOptions {
  readonly origin: string
  readonly contract?: string
  readonly logId?: string
  readonly readOnly?: boolean
}

/** First transactions of an account among which an earlier contract is looked for. */
const SEARCHED = 16

export interface ContractLog {
  readonly contract: string
  readonly logId: Hex
  /** Registers the log again, after a reorganisation that undid it; gives its owner. */
  register(): Promise<string>
}

/**
 * Finds the contract and the log in it; deploys the one and registers the other where they are missing and may be made. Throws LedgerError `mismatch` for another
 * contract or log, `refused` where the log belongs to somebody else, `unreachable` where it cannot know yet.
 */
export async function openContractLog(
  chain: EvmChain,
  account: string,
  { origin, contract: configured, logId: configuredLog, readOnly = false }: ContractLogOptions,
): Promise<ContractLog & { owner: string }> {
  const { chainId } = await chain.identity()
  const logId = (configuredLog ?? logIdOf(account, origin)) as Hex
  const contract =
    configured === undefined ? ((await findContract()) ?? (await deploy())) : await checked(configured.toLowerCase())
  return { contract, logId, register, owner: await register() }

  async function codeHash(address: string): Promise<string | undefined> {
    const code = await chain.code(address)
    return code.length === 0 ? undefined : keccak256(code)
  }
  async function checked(address: string): Promise<string> {
    const found = await codeHash(address)
    if (found === CHECKPOINT_ANCHOR.codeHash) return address
    throw new LedgerError(
      'mismatch',
      found === undefined
        ? `there is no contract at ${address} on chain ${chainId}: correct the address, or leave it out to have a new one deployed`
        : `${address} on chain ${chainId} is not the CheckpointAnchor of this version (code hash ${found}, it should be ${CHECKPOINT_ANCHOR.codeHash}): correct the address, or deploy a new one with "entente ledger deploy"`,
    )
  }
  /** The one that has the log, should the account have created several. */
  async function findContract(): Promise<string | undefined> {
    const ours: string[] = []
    for (const address of await chain.created(SEARCHED))
      if ((await codeHash(address)) === CHECKPOINT_ANCHOR.codeHash) ours.push(address)
    if (ours.length > 1) for (const address of ours) if (!isNobody(await ownerIn(address))) return address
    return ours[0]
  }
  async function ownerIn(address: string): Promise<string> {
    return decodeOwner(await callContract(chain, address, 'ownerOf', logId))
  }
  async function deploy(): Promise<string> {
    if (readOnly)
      throw new LedgerError(
        'mismatch',
        `account ${account} has created no CheckpointAnchor on chain ${chainId}: name one as "contract", or deploy it with "entente ledger deploy"`,
      )
    // A second contract, beside one that is on its way, would be another ledger.
    if ((await chain.waiting()) > 0)
      throw new LedgerError(
        'unreachable',
        `transactions of ${account} wait for a block, one may create the contract: open it again`,
      )
    const { created, transaction } = await chain.submit({ data: CHECKPOINT_ANCHOR.bytecode })
    if (created === undefined) throw new LedgerError('mismatch', `transaction ${transaction} created no contract`)
    if ((await codeHash(created)) === CHECKPOINT_ANCHOR.codeHash) return created
    throw new LedgerError(
      'unreachable',
      `transaction ${transaction} created ${created}, and its block was reorganised away: it will be in another one, open it again`,
      { transaction },
    )
  }
  async function register(): Promise<string> {
    const owner = await ownerIn(contract)
    const isRegistered = !isNobody(owner)
    if (owner === account || (isRegistered && readOnly)) return owner
    if (isRegistered)
      throw new LedgerError(
        'refused',
        `log ${logId} belongs to ${owner}, the account is ${account}: use the owner's account, or offer it the log`,
      )
    if (configuredLog !== undefined)
      throw new LedgerError(
        'mismatch',
        `log ${logId} is not registered in ${contract}: correct the log id, or leave it out`,
      )
    if (readOnly)
      throw new LedgerError(
        'mismatch',
        `the log ${origin} of account ${account} is not registered in ${contract}: "entente ledger deploy" registers it, and so does a server that starts`,
      )
    await chain.submit({ contract, data: encodeCall('register', originHash(origin)) })
    return account
  }
}

export const isNobody = (address: string): boolean => /^0x0{40}$/.test(address)

/** Calls the contract at the newest block. Throws what it refuses as ours, and `unreachable` where it is not there any more. */
export const callContract = (
  chain: EvmChain,
  contract: string,
  name: string,
  ...args: unknown[]
): Promise<Uint8Array> => callContractAt(chain, contract, undefined, name, ...args)

/** {@link callContract} at a block that is named. */
export async function callContractAt(
  chain: EvmChain,
  contract: string,
  block: number | undefined,
  name: string,
  ...args: unknown[]
): Promise<Uint8Array> {
  const returned = await chain.call({ contract, data: encodeCall(name, ...args) }, block).catch(error => {
    throw explainRefusal(error)
  })
  if (returned.length > 0) return returned
  throw new LedgerError(
    'unreachable',
    `the node has no contract at ${contract} in its newest block: it was set up anew and has not caught up yet, or it is on another chain`,
  )
}
