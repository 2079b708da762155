import { setFlagsFromString } from 'node:v8'

/**
 * By how much the heap may grow before it is collected again. Left to itself V8 waits until a small heap is four times as large: hostile requests
 * made 384 MB of it, and less than 290 so (test/e2e/hostile.test.ts). Smaller values cost much: at 15 percent a full read takes twice the time.
 */
const HEAP_GROWING_PERCENT = 40

/** For a process that stays; before it starts threads, which are bound as well. */
export const boundHeap = (): void => setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
