import { MerkleStateManager } from '@ethereumjs/statemanager'
import { type Address, createAddressFromString } from '@ethereumjs/util'
import { decodeRlp } from '@entente/verify/proof'
import { keccak256 } from './crypto.ts'
import { CODE_PREFIX, type NodeKey } from './nodes.ts'
import { type Change, type ReadNode, readTrie, updateTrie, type WriteNode } from './trie.ts'

const NOTHING = new Uint8Array(0)

/**
 * The library's state, whose caches hold what a block has written and nothing that it has only read: the library writes that too. All of it goes into the
 * tries at once. It MUST have caches.
 */
export class BlockState extends MerkleStateManager {
  readonly #read: ReadNode
  readonly #write: WriteNode
  /** Values that were read, by storage root and slot. */
  readonly #values = new Map<string, Uint8Array>()

  constructor(options: ConstructorParameters<typeof MerkleStateManager>[0], read: ReadNode, write: WriteNode) {
    super(options)
    this.#read = read
    this.#write = write
  }

  override async getCode(address: Address): Promise<Uint8Array> {
    const written = this._caches?.code?.get(address)
    if (written !== undefined) return written.code ?? NOTHING
    const account = await this.getAccount(address)
    return account?.isContract() === true ? this.#read(`${CODE_PREFIX}${hex(account.codeHash)}`) : NOTHING
  }

  override async getStorage(address: Address, slot: Uint8Array): Promise<Uint8Array> {
    const written = this._caches?.storage?.get(address, slot)
    if (written !== undefined) return wordOf(written)
    const account = await this.getAccount(address)
    if (account === undefined) return NOTHING
    const root = hex(account.storageRoot)
    const place = `${root}${hex(slot)}`
    const known = this.#values.get(place)
    if (known !== undefined) return known
    const value = readTrie(root, keccak256(slot), this.#read)
    const word = value === undefined ? NOTHING : wordOf(value)
    this.#values.set(place, word)
    return word
  }

  override async flush(): Promise<void> {
    for (const [address, { code }] of this._caches?.code?.flush() ?? []) {
      if (code === undefined) continue
      const codeHash = keccak256(code)
      this.#write(`${CODE_PREFIX}${hex(codeHash)}`, code)
      await this.modifyAccountFields(addressOf(address), { codeHash })
    }
    const storage = new Map<string, Change[]>()
    for (const [address, slot, value] of this._caches?.storage?.flush() ?? []) {
      const changes = storage.get(address) ?? []
      storage.set(address, changes)
      changes.push({ key: keccak256(bytes(slot)), value: isEmpty(value) ? undefined : value })
    }
    for (const [address, changes] of storage) {
      const account = await this.getAccount(addressOf(address))
      if (account === undefined) continue
      account.storageRoot = bytes(updateTrie(hex(account.storageRoot), changes, this.#read, this.#write))
      await this.putAccount(addressOf(address), account)
    }
    const accounts = (this._caches?.account?.flush() ?? []).map(([address, { accountRLP }]) => ({
      key: keccak256(bytes(address)),
      value: accountRLP,
    }))
    this._trie.root(bytes(updateTrie(this.root(), accounts, this.#read, this.#write)))
  }

  /** Of what was flushed. */
  root(): NodeKey {
    return hex(this._trie.root())
  }
}

/** A slot that holds nothing is 0x80 in the caches, and in no trie. */
const isEmpty = (value: Uint8Array | undefined): boolean =>
  value === undefined || (value.length === 1 && value[0] === 0x80)
const wordOf = (value: Uint8Array): Uint8Array => decodeRlp(value) as Uint8Array
const addressOf = (digits: string): Address => createAddressFromString(`0x${digits}`)
const bytes = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'))
const hex = (data: Uint8Array): string => Buffer.from(data.buffer, data.byteOffset, data.length).toString('hex')
