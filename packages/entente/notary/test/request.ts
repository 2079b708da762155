import { randomUUID } from 'node:crypto'
import type { Notary } from '../notary.ts'
import type { Request, SubmittedObject } from '../sequence.ts'

let made = 0

/** A cyber-observable that no other test has. */
export function testObject(value = 'https://example.org/'): { id: string; type: string; value: string } {
  return { id: `url--00000000-0000-5000-8000-${String(++made).padStart(12, '0')}`, type: 'url', value }
}

/** An object without a version of its own, as validation lets it through. */
export const submitted = (value: Record<string, unknown>): SubmittedObject => ({
  id: value['id'] as string,
  version: undefined,
  versionDigits: 0,
  spec: '2.1',
  value,
  canonical: JSON.stringify(value),
})

/** A request to the collection of that number below `/api/`. */
export const testRequest = (
  notary: Notary,
  values: readonly Record<string, unknown>[],
  rest: Partial<Request> = {},
): Request => ({
  statusId: randomUUID(),
  apiRoot: '/api/',
  collection: 1,
  submitter: 'test',
  mayRead: true,
  requested: notary.clock(),
  failed: [],
  objects: values.map(submitted),
  ...rest,
})
