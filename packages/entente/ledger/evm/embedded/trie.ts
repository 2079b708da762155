// Merkle Patricia tries whose keys are hashes (Ethereum Yellow Paper, appendix D), read and rewritten without waiting: a block changes some hundred
// entries at once, and each node on their ways is taken apart and hashed once, not once an entry.
import { decodeRlp, encodeRlp, type RlpItem } from '@entente/verify/proof'
import { keccak256 } from './crypto.ts'
import { EMPTY_ROOT, type NodeKey } from './nodes.ts'

/** The RLP of a node. Throws where it is missing. */
export type ReadNode = (key: NodeKey) => Uint8Array
export type WriteNode = (key: NodeKey, data: Uint8Array) => void

/** What an entry of a trie becomes; undefined: it goes. `key`: 32 bytes, hashed already. */
export interface Change {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

type Nibbles = readonly number[]
type Entry = { readonly path: Nibbles; readonly value: Uint8Array | undefined }
/** A node taken apart. Children of a branch are as their parent has them: nothing, a hash, or a small node itself. */
type Node =
  | { readonly kind: 'leaf'; readonly path: Nibbles; readonly value: Uint8Array }
  | { readonly kind: 'extension'; readonly path: Nibbles; readonly child: RlpItem }
  | { readonly kind: 'branch'; readonly children: readonly RlpItem[] }

const NOTHING = new Uint8Array(0)

/** The value under a key (32 bytes, hashed already); undefined where there is none. */
export function readTrie(root: NodeKey, key: Uint8Array, read: ReadNode): Uint8Array | undefined {
  if (root === EMPTY_ROOT) return undefined
  let path = toNibbles(key)
  let node: Node | undefined = parseNode(decodeRlp(read(root)))
  while (node !== undefined) {
    if (node.kind === 'branch') {
      const [next = 0, ...rest] = path
      path = rest
      node = resolve(node.children[next], read)
      continue
    }
    if (commonLength(node.path, path) < node.path.length) return undefined
    if (node.kind === 'leaf') return node.value
    path = path.slice(node.path.length)
    node = resolve(node.child, read)
  }
  return undefined
}

/** Changes entries of a trie, of each key one at most; gives its new root, and to `write` the nodes that are new. */
export function updateTrie(root: NodeKey, changes: readonly Change[], read: ReadNode, write: WriteNode): NodeKey {
  if (changes.length === 0) return root
  const before = root === EMPTY_ROOT ? undefined : parseNode(decodeRlp(read(root)))
  const written = new Map<NodeKey, Uint8Array>()
  const store: Store = {
    read: key => written.get(key) ?? read(key), // a node that was split has been written on the way
    write: (key, data) => {
      written.set(key, data)
      write(key, data)
    },
  }
  const after = apply(before, changes.map(toEntry), store)
  if (after === undefined) return EMPTY_ROOT
  const data = encodeRlp(toItem(after))
  const key = hex(keccak256(data))
  write(key, data) // whatever its size: nothing else holds it
  return key
}

type Store = { readonly read: ReadNode; readonly write: WriteNode }

/** @param entries at least one; their paths from this node on */
function apply(node: Node | undefined, entries: readonly Entry[], store: Store): Node | undefined {
  if (node === undefined) return build(entries, store)
  if (node.kind === 'branch') return applyToBranch(node.children, entries, store)
  if (node.kind === 'leaf') {
    const isReplaced = entries.some(({ path }) => commonLength(path, node.path) === node.path.length)
    return build(isReplaced ? entries : [...entries, node], store)
  }
  const { path, child } = node
  const common = Math.min(...entries.map(entry => commonLength(entry.path, path)))
  const below = entries.map(entry => ({ ...entry, path: entry.path.slice(common) }))
  if (common === path.length) return prefix(path, apply(resolve(child, store.read), below, store), store)
  // They part in the middle of it: a branch is put there, which has the rest of it as its only child at first.
  const rest = path.slice(common + 1)
  const children: RlpItem[] = Array.from({ length: 16 }, () => NOTHING)
  children[path[common] as number] =
    rest.length === 0 ? child : refer({ kind: 'extension', path: rest, child }, store.write)
  return prefix(path.slice(0, common), applyToBranch(children, below, store), store)
}

function applyToBranch(before: readonly RlpItem[], entries: readonly Entry[], store: Store): Node | undefined {
  const changed = new Map<number, Node | undefined>()
  for (const [nibble, group] of groupByNibble(entries))
    changed.set(nibble, apply(resolve(before[nibble], store.read), group, store))
  const isThere = (i: number) => (changed.has(i) ? changed.get(i) !== undefined : isSome(before[i]))
  const left = before.map((_, i) => i).filter(isThere)
  const [only] = left
  if (only === undefined) return undefined
  if (left.length === 1) {
    const node = changed.has(only) ? changed.get(only) : resolve(before[only], store.read)
    return prefix([only], node, store)
  }
  const children = before.map((child, i) => {
    if (!changed.has(i)) return child
    const node = changed.get(i)
    return node === undefined ? NOTHING : refer(node, store.write)
  })
  return { kind: 'branch', children }
}

/** A trie of nothing but these entries. */
function build(entries: readonly Entry[], store: Store): Node | undefined {
  const kept = entries.filter(entry => entry.value !== undefined)
  const [first] = kept
  if (first?.value === undefined) return undefined
  if (kept.length === 1) return { kind: 'leaf', path: first.path, value: first.value }
  const common = Math.min(...kept.map(entry => commonLength(entry.path, first.path)))
  const below = kept.map(entry => ({ ...entry, path: entry.path.slice(common) }))
  const children: RlpItem[] = Array.from({ length: 16 }, () => NOTHING)
  for (const [nibble, group] of groupByNibble(below)) children[nibble] = refer(build(group, store) as Node, store.write)
  return prefix(first.path.slice(0, common), { kind: 'branch', children }, store)
}

/** A node below a path: what has a path itself takes it on. */
function prefix(path: Nibbles, node: Node | undefined, { write }: Store): Node | undefined {
  if (node === undefined || path.length === 0) return node
  if (node.kind === 'branch') return { kind: 'extension', path, child: refer(node, write) }
  return { ...node, path: [...path, ...node.path] }
}

function groupByNibble(entries: readonly Entry[]): Map<number, Entry[]> {
  const groups = new Map<number, Entry[]>()
  for (const { path, value } of entries) {
    const [nibble = 0, ...rest] = path
    const group = groups.get(nibble) ?? []
    groups.set(nibble, group)
    group.push({ path: rest, value })
  }
  return groups
}

/** What a parent has of a node: its hash, or the node itself where that is shorter. */
function refer(node: Node, write: WriteNode): RlpItem {
  const item = toItem(node)
  const data = encodeRlp(item)
  if (data.length < 32) return item
  const hash = keccak256(data)
  write(hex(hash), data)
  return hash
}

function resolve(child: RlpItem | undefined, read: ReadNode): Node | undefined {
  if (child === undefined || !isSome(child)) return undefined
  return parseNode(child instanceof Uint8Array ? decodeRlp(read(hex(child))) : child)
}

const isSome = (child: RlpItem | undefined): boolean => child !== undefined && child.length > 0

function parseNode(item: RlpItem): Node {
  if (item instanceof Uint8Array) throw new Error('a trie node is no list')
  if (item.length === 17) return { kind: 'branch', children: item.slice(0, 16) }
  const [encoded, content] = item
  if (item.length !== 2 || !(encoded instanceof Uint8Array) || content === undefined)
    throw new Error(`a trie node has ${item.length} items`)
  const [flag = 0, ...rest] = toNibbles(encoded)
  const path = flag % 2 === 1 ? rest : rest.slice(1)
  return flag < 2 ? { kind: 'extension', path, child: content } : { kind: 'leaf', path, value: content as Uint8Array }
}

function toItem(node: Node): RlpItem {
  if (node.kind === 'branch') return [...node.children, NOTHING]
  const flag = node.kind === 'leaf' ? 2 : 0
  const odd = node.path.length % 2
  const nibbles = odd === 1 ? [flag + 1, ...node.path] : [flag, 0, ...node.path]
  const path = Uint8Array.from({ length: nibbles.length / 2 }, (_, i) => 16 * nibbles[2 * i]! + nibbles[2 * i + 1]!)
  return [path, node.kind === 'leaf' ? node.value : node.child]
}

const toEntry = ({ key, value }: Change): Entry => ({ path: toNibbles(key), value })

function toNibbles(bytes: Uint8Array): number[] {
  const nibbles: number[] = []
  for (const byte of bytes) nibbles.push(byte >> 4, byte & 15)
  return nibbles
}

function commonLength(a: Nibbles, b: Nibbles): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
