/**
 * A TAXII 2.1 client that checks what it reads, for Node and browsers. It works with every TAXII 2.1 server; proofs, records and
 * receipts come from an Entente server.
 *
 * @example
 * import { createTaxiiClient, readVerified } from '@entente/client'
 *
 * const client = createTaxiiClient({ url: 'http://127.0.0.1:6100/', auth: { kind: 'basic', user, password } })
 * const collection = client.collection('/api/collections/default/')
 * const [status] = await collection.add(objects)
 * await collection.waitFor(status)
 * const { verified } = await readVerified(collection, { vkeys: [vkey] })
 */
export {
  createTaxiiClient,
  DEFAULT_MAX_RESPONSE_BYTES,
  DEFAULT_RETRIES,
  DEFAULT_TIMEOUT_MS,
  type TaxiiClient,
  type TaxiiClientOptions,
} from './client.ts'
export type { TaxiiCollection } from './collection.ts'
export { compareCheckpoints, type Comparison } from './consistency.ts'
export { type Ended, findContinuation } from './continuation.ts'
export {
  type Delivery,
  type DeliveryOptions,
  type EventDelivery,
  type RawEvent,
  readDeliveries,
} from './deliveries.ts'
export { ClientError, type ClientErrorCode } from './error.ts'
export type { Auth } from './http.ts'
export { type Claim, createInclusion, type Included, type Inclusion } from './inclusion.ts'
export { compareWithLedger } from './ledgers.ts'
export { PROOF, RECORDS, TAXII } from './media.ts'
export { type CheckpointMemory, createMemory, type Remembered } from './memory.ts'
export type { Page } from './pages.ts'
export { type BrokenReceipt, checkReceipts, type ReceiptsChecked } from './receipts.ts'
export type * from './resources.ts'
export { DEFAULT_WAIT_MS, type WaitOptions } from './status.ts'
export {
  DEFAULT_IDLE_MS,
  openInclusion,
  type SubscribeOptions,
  type Subscription,
  type SubscribeTarget,
  type SubscribeVerify,
  toDeliveryOptions,
} from './subscribe.ts'
export { type Added, type AddOptions, DEFAULT_BATCH, DEFAULT_IN_FLIGHT } from './submit.ts'
export {
  checkpointIn,
  type ReadOptions,
  readVerified,
  type RecordSink,
  type SavedRead,
  streamVerified,
  type VerifiedRead,
} from './verified.ts'
export {
  believe,
  createWatch,
  type LogSource,
  readTile,
  type SeenCheckpoint,
  serverLog,
  type Watch,
  type WatchOptions,
} from './watch.ts'
