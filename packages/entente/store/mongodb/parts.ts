import type { Db, Document } from 'mongodb'
import type { CollectionHead, StoredHead, TileWrite } from '#store/store.ts'
import { fromCollectionHead, toCollectionHead } from './rows.ts'

/**
 * The log's own small documents, of all kinds in one collection: what a commit writes of them goes in one command. `_id` is the kind and what is unique of it.
 */
export type Part = Document & { _id: string }
export type PartKind = 'tile' | 'bundle' | 'checkpoint' | 'collection' | 'opening'

export const parts = (db: Db) => db.collection<Part>('parts')

/** All of a kind. */
export const allOf = (kind: PartKind) => ({ _id: { $gte: `${kind}/`, $lt: `${kind}0` } }) // "0" comes after "/"

/** Sizes have a fixed width, so that their order as texts is their order. */
const SIZE_WIDTH = 16

export const tileId = (tree: number, level: number, index: number): string => `tile/${tree}/${level}/${index}`
export const bundleId = (index: number): string => `bundle/${index}`
export const checkpointId = (size: number): string => `checkpoint/${String(size).padStart(SIZE_WIDTH, '0')}`
const collectionId = (number: number): string => `collection/${number}`
export const openingId = (submitter: string): string => `opening/${submitter}`

/** What comes after the kind in an `_id`. */
const restOf = (document: Document): string => {
  const id = String(document['_id'])
  return id.slice(id.indexOf('/') + 1)
}

export const fromTile = ({ tree, level, index, data }: TileWrite): Part => ({ _id: tileId(tree, level, index), data })
export function toTile(document: Document): TileWrite {
  const [tree = NaN, level = NaN, index = NaN] = restOf(document).split('/').map(Number)
  return { tree, level, index, data: document['data'] as Uint8Array }
}

type Bundle = { index: number; data: Uint8Array }
export const fromBundle = ({ index, data }: Bundle): Part => ({ _id: bundleId(index), data })
export const toBundle = (document: Document): Bundle => ({ index: Number(restOf(document)), data: document['data'] })

export const fromCheckpoint = ({ size, note }: StoredHead): Part => ({ _id: checkpointId(size), note })
export const toCheckpoint = (document: Document): StoredHead => ({
  size: Number(restOf(document)),
  note: String(document['note']),
})

export const fromCollection = (head: CollectionHead): Part => ({
  ...fromCollectionHead(head),
  _id: collectionId(head.number),
})
export const toCollection = (document: Document): CollectionHead =>
  toCollectionHead({ ...document, _id: Number(restOf(document)) })

type Opening = { submitter: string; opening: Uint8Array; name: string }
export const fromOpening = ({ submitter, ...rest }: Opening): Part => ({ _id: openingId(submitter), ...rest })
export const toOpening = (document: Document): Opening => ({
  submitter: restOf(document),
  opening: document['opening'] as Uint8Array,
  name: String(document['name']),
})
