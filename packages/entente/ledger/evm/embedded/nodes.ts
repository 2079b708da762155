// Which trie nodes the newest state needs. Nodes are content-addressed and shared, so each has a count of the references that
// live nodes make to it; a block changes the counts only along the paths that it rewrote, and costs nothing for the rest of the state.
import { fromRlp } from 'viem/utils'

/** Key of a node: 64 hex digits of its hash; of code: `63` and those of its hash (the prefix of MerkleStateManager). */
export type NodeKey = string

export interface NodeReader {
  /** Bytes of a stored node. Throws when it is missing. */
  data(key: NodeKey): Uint8Array
  /** References to it from live nodes, 0 for a dead or unknown one. */
  references(key: NodeKey): number
}

export interface NodeChanges {
  /** Nodes that came to life: to store with their count, whether or not an old copy lies there. */
  readonly born: Map<NodeKey, { readonly references: number; readonly data: Uint8Array }>
  /** Live nodes whose count changed. */
  readonly counted: Map<NodeKey, number>
  /** Nodes that nothing refers to any more; older states still need them. */
  readonly died: Set<NodeKey>
}

const EMPTY_TRIE = '56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'
const NO_CODE = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'

/**
 * What moving from one state root to the next changes.
 * @param written Nodes that the block wrote, also those that nothing refers to in the end (they are dropped).
 */
export function nodeChanges(
  oldRoot: NodeKey,
  newRoot: NodeKey,
  written: ReadonlyMap<NodeKey, Uint8Array>,
  store: NodeReader,
): NodeChanges {
  const delta = new Map<NodeKey, number>()
  const born = new Set<NodeKey>()
  const died = new Set<NodeKey>()
  const add = (key: NodeKey, by: number): number => {
    const sum = (delta.get(key) ?? 0) + by
    delta.set(key, sum)
    return sum
  }

  // References gained, from the new root down. A node that this block did not write is referred to only where a live node
  // referred to it before, so it is alive and so is all below it.
  const gain = (key: NodeKey): void => {
    if (key === EMPTY_TRIE) return
    add(key, 1)
    const data = written.get(key)
    if (data === undefined || born.has(key) || store.references(key) > 0) return
    born.add(key)
    for (const child of childrenOf(key, data)) gain(child)
  }
  // References lost, from the old root down. The store is asked only where more were lost than gained.
  const lose = (key: NodeKey): void => {
    if (key === EMPTY_TRIE) return
    if (add(key, -1) >= 0 || died.has(key) || store.references(key) + (delta.get(key) ?? 0) > 0) return
    died.add(key)
    for (const child of childrenOf(key, store.data(key))) lose(child)
  }
  gain(newRoot)
  lose(oldRoot)

  const changes: NodeChanges = { born: new Map(), counted: new Map(), died }
  for (const [key, change] of delta) {
    if (died.has(key)) continue
    const data = born.has(key) ? written.get(key) : undefined
    if (data !== undefined) changes.born.set(key, { references: change, data })
    else if (change !== 0) changes.counted.set(key, store.references(key) + change)
  }
  return changes
}

/** Keys that a node refers to: branch and extension nodes to nodes, the leaf of an account to its storage root and code. */
export function childrenOf(key: NodeKey, data: Uint8Array): NodeKey[] {
  return key.length === 64 ? childrenOfItems(fromRlp(data, 'bytes') as Item[]) : []
}

type Item = Uint8Array | Item[]

function childrenOfItems(items: Item[]): NodeKey[] {
  const children: NodeKey[] = []
  const visit = (item: Item | undefined) => {
    if (item === undefined) return
    if (!(item instanceof Uint8Array))
      children.push(...childrenOfItems(item)) // a node of less than 32 bytes lies inside its parent
    else if (item.length === 32) children.push(hex(item))
  }
  if (items.length === 17) {
    for (const item of items.slice(0, 16)) visit(item)
    return children
  }
  const [path, value] = items
  if (!(path instanceof Uint8Array) || ((path[0] ?? 0) & 0x20) === 0) {
    visit(value)
  } else if (value instanceof Uint8Array && (value[0] ?? 0) >= 0xc0) {
    // An account is a list [nonce, balance, storage root, code hash]; a value in storage is a byte string.
    const [, , storageRoot, codeHash] = fromRlp(value, 'bytes') as Uint8Array[]
    if (storageRoot !== undefined && hex(storageRoot) !== EMPTY_TRIE) children.push(hex(storageRoot))
    if (codeHash !== undefined && hex(codeHash) !== NO_CODE) children.push(`63${hex(codeHash)}`)
  }
  return children
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
