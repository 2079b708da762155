import { sampleObjects } from './server.ts'

/** Collections of {@link medallionData}, by what is in them. */
export const COLLECTIONS = {
  pages: '11111111-1111-4111-8111-111111111111',
  mixed: '22222222-2222-4222-8222-222222222222',
  writeOnly: '33333333-3333-4333-8333-333333333333',
  readOnly: '44444444-4444-4444-8444-444444444444',
}
export const STATUS = '55555555-5555-4555-8555-555555555555'

type Entry = { object: Record<string, unknown>; added: string; version?: string; media?: string }

/**
 * A data file of medallion as its memory backend saves it, the same in every run: versions, equal dates, objects of STIX 2.0, objects without a version,
 * every combination of rights. Nothing in it is real.
 *
 * @param requested when the request of its status was made
 */
export function medallionData(requested: string): Record<string, unknown> {
  const pages = sampleObjects(25).flatMap((object, i): Entry[] => [
    { object, added: date(1, i) },
    ...(i % 5 === 0
      ? [
          {
            object: { ...object, modified: `2026-01-0${1 + (i % 7)}T10:00:00.000Z`, name: `newer ${i}` },
            added: date(2, i),
          },
        ]
      : []),
  ])
  const two = {
    type: 'malware',
    id: 'malware--00000000-0000-4000-8000-000000000001',
    created: '2019-01-01T00:00:00.000Z',
    labels: ['ransomware'],
    name: 'a',
  }
  const mixed: Entry[] = [
    { object: { ...two, modified: '2019-01-01T00:00:00.000Z' }, added: date(1, 0), media: '2.0' },
    { object: { ...two, modified: '2019-02-01T00:00:00.000Z', name: 'b' }, added: date(1, 1), media: '2.0' },
    {
      object: {
        ...two,
        spec_version: '2.1',
        modified: '2020-01-01T00:00:00.000Z',
        malware_types: ['ransomware'],
        is_family: false,
      },
      added: date(1, 2),
    },
    // Of one moment: a collection here has no two records of one date.
    {
      object: {
        type: 'domain-name',
        id: 'domain-name--3c10e93f-798e-5a26-a0c1-08156efab7f5',
        value: 'example.com',
        spec_version: '2.1',
      },
      added: date(1, 3),
      version: date(1, 3),
    },
    {
      object: {
        type: 'marking-definition',
        spec_version: '2.1',
        id: 'marking-definition--00000000-0000-4000-8000-000000000002',
        created: '2019-01-01T00:00:00.000Z',
        definition_type: 'statement',
        definition: { statement: 'a test' },
      },
      added: date(1, 4),
    },
    ...sampleObjects(3, 100).map((object): Entry => ({ object, added: date(1, 5) })),
    {
      object: {
        type: 'x-test-custom',
        spec_version: '2.1',
        id: 'x-test-custom--00000000-0000-4000-8000-000000000003',
        created: '2019-01-01T00:00:00.000Z',
        modified: '2019-01-01T00:00:00.000Z',
      },
      added: date(1, 6),
    },
  ]
  const collection = (
    id: string,
    title: string,
    can_read: boolean,
    can_write: boolean,
    media_types: string[],
    entries: Entry[],
  ) => ({
    id,
    title,
    can_read,
    can_write,
    media_types: media_types.map(v => `application/stix+json;version=${v}`),
    objects: entries.map(({ object, version }) =>
      version === undefined ? object : { ...object, _date_added: version },
    ),
    manifest: entries.map(({ object, added, version, media = '2.1' }) => ({
      id: object['id'],
      date_added: added,
      version: object['modified'] ?? object['created'] ?? version,
      media_type: `application/stix+json;version=${media}`,
    })),
  })
  const information = {
    title: 'Test root',
    description: 'An API root',
    versions: ['application/taxii+json;version=2.1'],
    max_content_length: 9_765_625,
  }
  return {
    '/discovery': {
      title: 'Test server',
      description: 'A server to take over',
      contact: 'nobody@example.org',
      default: 'http://localhost:5000/first/',
      api_roots: ['http://localhost:5000/empty/', 'http://localhost:5000/first/'],
    },
    empty: { information: { ...information, title: 'Nothing here' }, status: [], collections: [] },
    first: {
      information,
      status: [
        {
          id: STATUS,
          status: 'complete',
          request_timestamp: requested,
          total_count: 2,
          success_count: 1,
          successes: [{ id: pages[0]?.object['id'], version: '2026-01-01T00:00:00.000Z' }],
          failure_count: 1,
          failures: [{ id: two.id, version: '2019-01-01T00:00:00.000Z', message: 'Unable to process object' }],
          pending_count: 0,
        },
      ],
      collections: [
        collection(COLLECTIONS.pages, 'Pages', true, true, ['2.1'], pages),
        collection(COLLECTIONS.mixed, 'Mixed', true, true, ['2.0', '2.1'], mixed),
        collection(COLLECTIONS.writeOnly, 'Write only', false, true, ['2.1'], []),
        collection(COLLECTIONS.readOnly, 'Read only', true, false, ['2.1'], []),
      ],
    },
  }
}

/** Microseconds, as medallion has them. */
const date = (day: number, n: number): string =>
  `2024-03-${String(day).padStart(2, '0')}T12:00:00.${String(1000 + 7 * n).padStart(6, '0')}Z`
