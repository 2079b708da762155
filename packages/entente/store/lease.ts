/**
 * Port: what several servers of one store agree on who writes with. A text that everybody may read and change, one after the other; what it says is
 * cluster/lease.ts's. It is a hint for who should write: that two can't is what {@link Store.commit} is for.
 */
export interface LeaseStore {
  /** The text that is there now; undefined where there is none, or what is there is no text. */
  read(): Promise<string | undefined>
  /**
   * Puts `next` in the place of `expected`, where that is still there. Durable when it resolves; after a rejection nobody knows.
   *
   * @returns whether it was
   */
  swap(expected: string | undefined, next: string): Promise<boolean>
  /** Once it resolves, no commit of another server that was under way when it was called can take effect any more. For who has the lease. */
  settle(): Promise<void>
  /** Once it resolves, every read shows what anybody was told before it was called to be stored. */
  barrier(): Promise<void>
  close(): Promise<void>
}
