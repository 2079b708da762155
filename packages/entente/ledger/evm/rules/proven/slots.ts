import { decodeRlp, decodeTrieNode, readTrie, type RlpItem } from '@entente/verify/proof'
import type { Hex } from 'viem'
import { bytesToHex, hexToBytes, keccak256, numberToHex } from 'viem/utils'
import { LedgerError } from '../../../error.ts'
import { createCache } from '../../cache.ts'
import type { Ask } from '../../rpc.ts'
import { corrupt, verify } from './check.ts'
import type { ProvenHeader } from './headers.ts'

export interface ProvenAccount {
  readonly storageRoot: Uint8Array
  readonly codeHash: Uint8Array
}

/** State under sealed headers, each value proven by the nodes that lead to it. Every method throws LedgerError `corrupt` where they do not. */
export interface ProvenSlots {
  account(header: ProvenHeader, address: Hex): Promise<ProvenAccount>
  code(header: ProvenHeader, address: Hex): Promise<Uint8Array>
  /**
   * Reads the slots of one view. They lie together (a struct, the elements of an array), and where they lie from the first of them the same view of other
   * arguments has shown: so they are asked for at once.
   *
   * @param view its contract and name
   */
  reader(header: ProvenHeader, view: string): (address: Hex, slot: Hex) => Promise<Uint8Array>
}

/** Trie nodes that were proven and are kept, decoded: 2 KB each at most. */
const NODES = 4096
const ACCOUNTS = 256
/** Slots whose values are kept. */
const SLOTS = 20_000
/** Slots that lie together: at most so many behind the first, and what is asked for before a view has shown which. */
const GROUP = 64
const FIRST_GUESS = [0, 1, 2, 3, 4, 5, 6, 7]
/** Slots of one view: what is longer is no answer of ours. */
const MAX_READ = 4096
/** Nodes of one proof: a path of 64 nibbles, and the root. */
const MAX_NODES = 65
const EMPTY = new Uint8Array(0)
const HEX = /^0x(?:[0-9a-fA-F]{2})*$/

/** @param checkCode whether an address may have this code, which was proven to be there; throws where it may not */
export function createProvenSlots(ask: Ask, checkCode: (address: string, code: Uint8Array) => void): ProvenSlots {
  const nodes = createCache<RlpItem>(NODES)
  const accounts = createCache<ProvenAccount>(ACCOUNTS)
  const slots = createCache<Uint8Array>(SLOTS)
  const codes = createCache<Uint8Array>(64)
  /** Offsets of the slots that a view reads, by view and group. */
  const learned = createCache<Set<number>>(1024)

  async function prove(header: ProvenHeader, address: Hex, wanted: readonly Hex[]): Promise<ProvenAccount> {
    const answer = await ask<unknown>('eth_getProof', address, wanted, numberToHex(header.number))
    const { accountProof, storageProof } = readProof(answer, wanted.length)
    return verify(() => {
      const value = readTrie(header.stateRoot, hexToBytes(address), nodesFrom(accountProof))
      if (value === undefined)
        throw new LedgerError(
          'pending',
          `there is no contract at ${address} in block ${header.number}: it was created later, ask again`,
        )
      const [, , storageRoot, codeHash] = decodeRlp(value) as Uint8Array[]
      if (storageRoot?.length !== 32 || codeHash?.length !== 32) throw corrupt(`${address} has no valid account`)
      for (const [i, slot] of wanted.entries()) {
        const word = readTrie(storageRoot, hexToBytes(slot), nodesFrom(storageProof[i] ?? []))
        slots.set(slotKey(address, storageRoot, slot), word === undefined ? EMPTY : toBytes(decodeRlp(word)))
      }
      return accounts.set(`${header.hash} ${address}`, { storageRoot, codeHash })
    })
  }

  /** Gives the nodes of a proof in their order; those that were proven before are not hashed again. */
  function nodesFrom(proof: readonly Hex[]): (hash: Uint8Array) => RlpItem {
    let used = 0
    return hash => {
      const key = Buffer.from(hash).toString('latin1')
      const given = proof[used++]
      return (
        nodes.get(key) ??
        nodes.set(key, decodeTrieNode(hash, given === undefined ? undefined : hexToBytes(given), used - 1))
      )
    }
  }

  const account = async (header: ProvenHeader, address: Hex): Promise<ProvenAccount> =>
    accounts.get(`${header.hash} ${address}`) ?? prove(header, address, [])

  async function code(header: ProvenHeader, address: Hex): Promise<Uint8Array> {
    const wanted = bytesToHex((await account(header, address)).codeHash)
    const known = codes.get(`${address}${wanted}`)
    if (known !== undefined) return known
    const found = hexToBytes(await ask<Hex>('eth_getCode', address, 'latest'))
    if (keccak256(found) !== wanted)
      throw corrupt(`the code of ${address} hashes to ${keccak256(found)}, its account says ${wanted}`)
    checkCode(address, found)
    return codes.set(`${address}${wanted}`, found)
  }

  function reader(header: ProvenHeader, view: string) {
    const groups: { address: Hex; first: bigint; offsets: Set<number> }[] = []
    let reads = 0
    return async (address: Hex, slot: Hex): Promise<Uint8Array> => {
      if (++reads > MAX_READ) throw corrupt(`a view reads more than ${MAX_READ} slots`)
      const at = BigInt(slot)
      const isIn = (group: { address: Hex; first: bigint }) =>
        group.address === address && at >= group.first && at < group.first + BigInt(GROUP)
      const known = groups.find(isIn)
      const name = `${view} ${known === undefined ? groups.length : groups.indexOf(known)}`
      const group = known ?? { address, first: at, offsets: learned.get(name) ?? learned.set(name, new Set()) }
      if (known === undefined) groups.push(group)
      const guessed = group.offsets.size === 0 ? FIRST_GUESS : [...group.offsets]
      group.offsets.add(Number(at - group.first))
      const account = accounts.get(`${header.hash} ${address}`)
      const value = account && slots.get(slotKey(address, account.storageRoot, slot))
      if (value !== undefined) return value
      const together = [at, ...guessed.map(offset => group.first + BigInt(offset))].filter(
        (one, i, all) =>
          one < 2n ** 256n &&
          all.indexOf(one) === i &&
          (account === undefined || slots.get(slotKey(address, account.storageRoot, toSlot(one))) === undefined),
      )
      const { storageRoot } = await prove(header, address, together.map(toSlot))
      return slots.get(slotKey(address, storageRoot, slot)) as Uint8Array
    }
  }

  return { account, code, reader }
}

const toSlot = (at: bigint): Hex => numberToHex(at, { size: 32 })
const slotKey = (address: Hex, storageRoot: Uint8Array, slot: Hex) =>
  `${address}${slot}${Buffer.from(storageRoot).toString('latin1')}`

function toBytes(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array && item.length <= 32) return item
  throw corrupt('a slot holds no word')
}

const isHexList = (value: unknown): value is Hex[] =>
  Array.isArray(value) && value.length <= MAX_NODES && value.every(node => typeof node === 'string' && HEX.test(node))

function readProof(answer: unknown, count: number): { accountProof: Hex[]; storageProof: Hex[][] } {
  const { accountProof, storageProof } = (answer ?? {}) as Record<string, unknown>
  const proofs = Array.isArray(storageProof)
    ? storageProof.map((entry: unknown) => (entry as { proof?: unknown } | null)?.proof)
    : []
  if (!isHexList(accountProof) || proofs.length !== count || !proofs.every(isHexList))
    throw corrupt('the answer of eth_getProof is no proof')
  return { accountProof, storageProof: proofs as Hex[][] }
}
