// Requests that no honest client sends, each with the answers that are right for it. The same for the same seed.
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { rawRequest } from '../../packages/entente/taxii/test/raw.ts'
import type { Random } from '../support/random.ts'
import { OBJECTS, TAXII } from '../support/server.ts'

export type Hostile = {
  kind: string
  /** What of it is worth printing. */
  name: string
  parts: Iterable<string | Uint8Array>
  /** Statuses that are right; `cut` where the connection may also just end. */
  expected: readonly (number | 'cut')[]
  answers?: number
  end?: boolean
}

const COLLECTION = '/api/collections/default/'
let made = 0
/** A valid indicator that nobody has sent before. */
function indicator(): Record<string, unknown> {
  const id = `indicator--00000000-0000-4000-9000-${(++made).toString(16).padStart(12, '0')}`
  return {
    type: 'indicator',
    spec_version: '2.1',
    id,
    created: '2026-01-01T00:00:00.000Z',
    modified: '2026-01-01T00:00:00.000Z',
    pattern: "[url:value = 'http://example.org/']",
    pattern_type: 'stix',
    valid_from: '2026-01-01T00:00:00Z',
  }
}

/** @param authorization of a user who may read and write */
export function createHostile(random: Random, authorization: string, maxContentLength: number) {
  const { int, pick, text } = random
  const post = (body: string | Uint8Array, headers: Record<string, string | undefined> = {}) =>
    rawRequest(
      'POST',
      OBJECTS,
      { Authorization: authorization, Accept: TAXII, 'Content-Type': TAXII, ...headers },
      body,
    )
  const get = (target: string, headers: Record<string, string | undefined> = {}, method = 'GET') =>
    rawRequest(method, target, { Authorization: authorization, Accept: TAXII, ...headers })
  const envelope = (...objects: unknown[]) => JSON.stringify({ objects })
  const chunk = (data: string | Uint8Array) =>
    Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), Buffer.from(data as string), Buffer.from('\r\n')])
  const chunked = (headers: Record<string, string | undefined> = {}) =>
    post('', { 'Transfer-Encoding': 'chunked', ...headers })
  const noise = (length: number) => text(length, 'abcXYZ019 ,;=/*"\\{}[]:%&?+-_.#\u00e9\u00ff\t')

  /** Some JSON value of any type, to put where another one belongs. */
  const anything = (depth = 0): unknown =>
    pick<() => unknown>([
      () => null,
      () => pick([true, false]),
      () => pick([0, -1, 1.5, 1.5e-300, -9007199254740991]),
      () =>
        pick(['', 'x', '\u0000', '__proto__', '2026-13-45T99:99:99Z', 'indicator--x', '\ud83d\ude00', "' or 1=1 --"]),
      () => (depth > 3 ? [] : [anything(depth + 1), anything(depth + 1)]),
      () => (depth > 3 ? {} : { [pick(['a', 'id', 'type', '__proto__', 'constructor', 'x_y'])]: anything(depth + 1) }),
      () => ({}),
      () => [],
      () => 'x'.repeat(int(5000)),
    ])()

  const bodies: (() => Omit<Hostile, 'kind'>)[] = [
    () => {
      const whole = envelope(indicator(), indicator())
      return { name: 'cut short', parts: [post(whole.slice(0, 1 + int(whole.length - 1)))], expected: [422] }
    },
    () => {
      const bytes = Buffer.from(envelope(indicator()))
      for (let i = 0; i < 1 + int(4); i++) bytes[int(bytes.length)] = int(256)
      return { name: 'flipped bytes', parts: [post(bytes)], expected: [202, 422] }
    },
    () => ({ name: 'no JSON', parts: [post(noise(int(400)))], expected: [422] }),
    () => ({ name: 'random bytes', parts: [post(random.bytes(1 + int(400)))], expected: [422] }),
    () => {
      const depth = pick([61, 65, 1000, 50_000])
      return {
        name: `nested ${depth} deep`,
        parts: [post(`{"objects":[${'['.repeat(depth)}${']'.repeat(depth)}]}`)],
        expected: depth > 61 ? [422] : [202],
      }
    },
    () => {
      const depth = pick([100, 5000])
      return {
        name: `objects ${depth} deep`,
        parts: [post(`{"objects":[${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}]}`)],
        expected: [422],
      }
    },
    () => {
      const number = pick([
        '1e999',
        '-1e999',
        '9007199254740993',
        '-9007199254740993',
        '9'.repeat(400),
        '01',
        '+1',
        '0x1',
        '1.',
        '.5',
        'NaN',
        'Infinity',
      ])
      return {
        name: `number ${number.slice(0, 20)}`,
        parts: [post(`{"objects":[{"x_n":${number}}]}`)],
        expected: [422],
      }
    },
    () => {
      const twice = pick([
        '{"objects":[{"a":1,"a":2}]}',
        '{"objects":[{}],"objects":[{}]}',
        '{"objects":[{"a":{"b":1,"\\u0062":1}}]}',
        '{"a":1,"a":1,"objects":[{}]}',
      ])
      return { name: 'a key twice', parts: [post(twice)], expected: [422] }
    },
    () => {
      const half = pick(['"\\ud800"', '"\\udc00\\ud800"', '"a\\udfffb"', '"\\ud800\\ud800"'])
      const object = pick([`{"x_s":${half}}`, `{${half}:1}`, half])
      return { name: 'half of a surrogate pair', parts: [post(`{"objects":[${object}]}`)], expected: [422] }
    },
    () => {
      const bad = pick([
        [0xff],
        [0xc0, 0xaf],
        [0xed, 0xa0, 0x80],
        [0xf5, 0x80, 0x80, 0x80],
        [0xe2, 0x28, 0xa1],
        [0x80],
        [0xf0, 0x9f, 0x98],
      ])
      return {
        name: 'no UTF-8',
        parts: [post(Buffer.concat([Buffer.from('{"objects":[{"x_s":"'), Buffer.from(bad), Buffer.from('"}]}')]))],
        expected: [422],
      }
    },
    () => ({
      name: 'a NUL',
      parts: [post(pick(['{"objects":[{"x":"\u0000"}]}', '\u0000{"objects":[{}]}', '{"objects":[{}]}\u0000']))],
      expected: [422],
    }),
    () => ({
      name: 'another encoding',
      parts: [post(Buffer.from(envelope(indicator()), pick(['utf16le', 'ucs2'])))],
      expected: [422],
    }),
    () => {
      const value = JSON.stringify(pick([null, 1, 'x', true, {}, { '0': {} }, '[]']))
      return { name: `objects is ${value}`, parts: [post(`{"objects":${value}}`)], expected: [422] }
    },
    () => ({
      name: 'no envelope',
      parts: [
        post(
          pick([
            'null',
            '[]',
            '1',
            '"x"',
            '{}',
            '[{"objects":[{}]}]',
            '',
            ' ',
            '{"objects":[]}',
            '{"objects":[{}]}{}',
            '{"Objects":[{}]}',
          ]),
        ),
      ],
      expected: [422],
    }),
    () => ({
      name: 'members that an envelope has not',
      parts: [
        post(
          JSON.stringify({ objects: [indicator()], more: anything(), next: anything(), [pick(['__proto__', 'x'])]: 1 }),
        ),
      ],
      expected: [202],
    }),
    () => {
      const object = indicator()
      for (let i = 0; i < 1 + int(3); i++) object[pick(Object.keys(object))] = anything()
      return { name: 'wrong types in an object', parts: [post(envelope(object))], expected: [202] }
    },
    () => ({
      name: 'objects of any kind',
      parts: [post(envelope(...Array.from({ length: 1 + int(20) }, () => anything())))],
      expected: [202],
    }),
    () => ({
      name: 'prototype keys',
      parts: [
        post(
          `{"objects":[{"__proto__":{"type":"indicator"},"constructor":{"prototype":{}},"id":"x"},${JSON.stringify(indicator())}],"__proto__":{"objects":[]}}`,
        ),
      ],
      expected: [202],
    }),
    () => {
      const object = indicator()
      return {
        name: 'two contents at once',
        parts: [post(envelope(object, { ...object, name: text(8, 'ab') }, object))],
        expected: [202],
      }
    },
    () => ({
      name: 'larger than is taken',
      parts: [post('', { 'Content-Length': String(maxContentLength + 1 + int(1e12)) }), 'x'],
      expected: [413],
    }),
  ]

  /** What costs the server most for what it costs the client. */
  const heavy: (() => Omit<Hostile, 'kind'>)[] = [
    () => ({
      name: 'many of one byte that are no JSON',
      parts: [chunked(), ...Array.from({ length: 50 }, () => '1\r\nx\r\n'.repeat(4000)), '0\r\n\r\n'],
      expected: [422],
    }),
    () => {
      const count = pick([20_001, 100_000, 350_000, 1_100_000])
      return { name: `${count} numbers`, parts: [post(`{"objects":[${'1,'.repeat(count - 1)}1]}`)], expected: [422] }
    },
    () => ({
      name: 'a million empty objects',
      parts: [post(`{"objects":[${'{},'.repeat(999_998)}{}]}`)],
      expected: [422],
    }),
    () => ({
      name: 'a long list in an object',
      parts: [post(envelope({ ...indicator(), labels: Array(50_000).fill('x') }))],
      expected: [202],
    }),
    () => ({
      name: 'ten thousand refused objects',
      parts: [post(envelope(...Array.from({ length: 10_000 }, () => ({ id: 'x'.repeat(100) }))))],
      expected: [202],
    }),
    () => ({
      name: 'a very large object',
      parts: [post(envelope({ ...indicator(), x_text: 'x'.repeat(1_000_000) }))],
      expected: [202],
    }),
  ]

  const headers: (() => Omit<Hostile, 'kind'>)[] = [
    () => ({ name: 'Accept', parts: [get('/api/', { Accept: noise(int(300)) })], expected: [200, 400, 406] }),
    () => ({
      name: 'an Accept of many ranges',
      parts: [get('/api/', { Accept: Array.from({ length: 500 }, () => `a/${int(99)};q=0.${int(9)}`).join() })],
      expected: [406],
    }),
    () => ({
      name: 'Accept that quotes',
      parts: [get('/api/', { Accept: '"'.repeat(1 + int(9000)) })],
      expected: [406],
    }),
    () => ({
      name: 'Content-Type',
      parts: [post(envelope(indicator()), { 'Content-Type': noise(int(300)) })],
      expected: [400, 415],
    }),
    () => ({
      name: 'Authorization',
      parts: [
        get('/api/', {
          Authorization: pick([
            noise(int(200)),
            `Basic ${text(int(80), 'abcABC019+/=')}`,
            `Bearer ${noise(30)}`,
            `Basic ${'A'.repeat(12_000)}`,
            'Negotiate x',
            '',
          ]),
        }),
      ],
      expected: [400, 401],
    }),
    () => ({
      name: 'Authorization twice',
      parts: [`GET /api/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nAuthorization: Basic eDp5\r\n\r\n`],
      expected: [200],
    }),
    () => ({
      name: 'no credentials, with a body',
      parts: [post(envelope(indicator()), { Authorization: undefined })],
      expected: [401],
    }),
    () => ({
      name: 'many fields',
      parts: [get('/api/', Object.fromEntries(Array.from({ length: 100 + int(400) }, (_, i) => [`x${i}`, 'y'])))],
      expected: [431],
    }),
    () => ({
      name: 'a long field',
      parts: [get('/api/', { 'X-Long': 'x'.repeat(16_384 + int(50_000)) })],
      expected: [431, 'cut'],
    }),
    () => ({ name: 'no Host', parts: [get('/api/', { Host: undefined })], expected: [400] }),
    () => ({ name: 'two Hosts', parts: [get('/api/', { host: 'other' })], expected: [400] }),
    () => ({
      name: 'Content-Length and Transfer-Encoding',
      parts: [post('0\r\n\r\n', { 'Transfer-Encoding': 'chunked' })],
      expected: [400],
    }),
    () => ({ name: 'two lengths', parts: [post('ab', { 'content-length': '1' })], expected: [400] }),
    () => ({
      name: 'a length that is none',
      parts: [
        post('', { 'Content-Length': pick(['-1', '+1', '0x10', '1e3', '1,1', ' ', 'x', '99999999999999999999999']) }),
      ],
      expected: [400, 411, 422],
    }),
    () => ({
      name: 'a Transfer-Encoding that is none',
      parts: [
        chunked({
          'Transfer-Encoding': pick([
            'xchunked',
            'chunked, identity',
            'chunked chunked',
            '\x0bchunked',
            'chunked, chunked',
          ]),
        }),
        '0\r\n\r\n',
      ],
      expected: [400, 'cut'],
    }),
    () => ({ name: 'a space before the colon', parts: ['GET /api/ HTTP/1.1\r\nHost : x\r\n\r\n'], expected: [400] }),
    () => ({
      name: 'a folded field',
      parts: [`GET /api/ HTTP/1.1\r\nHost: x\r\nAuthorization:\r\n ${authorization}\r\n\r\n`],
      expected: [200, 400, 401],
    }),
    () => ({
      name: 'a control character',
      parts: [get('/api/', { 'X-C': `a${pick(['\u0000', '\u0001', '\u007f', '\r'])}b` })],
      expected: [200, 400],
    }),
    () => ({ name: 'bare line feeds', parts: ['GET /api/ HTTP/1.1\nHost: x\n\n'], expected: [400, 401] }),
    () => ({
      name: 'an expectation',
      parts: [post(envelope(indicator()), { Expect: pick(['100-continue', '200-ok', noise(10)]) })],
      expected: [202, 400],
    }),
    () => ({
      name: 'an upgrade',
      parts: [get('/api/', { Connection: 'Upgrade', Upgrade: pick(['websocket', 'h2c', 'TLS/1.3']) })],
      expected: [200],
    }),
    () => ({
      name: 'another method by header',
      parts: [
        get('/api/', {
          'X-HTTP-Method-Override': 'DELETE',
          'X-Forwarded-For': '127.0.0.1',
          'X-Original-URL': '/healthz',
        }),
      ],
      expected: [200],
    }),
    () => ({
      name: 'a range',
      parts: [get(`${COLLECTION}objects/`, { Range: `items ${int(9)}-${int(99)}`, 'If-None-Match': '*' })],
      expected: [200],
    }),
    () => ({ name: 'HTTP/2 by force', parts: ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], expected: [400] }),
    () => ({
      name: 'TLS on a plain port',
      parts: [Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0]), random.bytes(200)])],
      expected: [400],
    }),
    () => ({
      name: 'not HTTP',
      parts: [Buffer.concat([random.bytes(1 + int(300)), Buffer.from('\r\n\r\n')])],
      expected: [400, 'cut'],
    }),
  ]

  const values = [
    '',
    ',',
    '0',
    '-1',
    '1.5',
    '1e9',
    'NaN',
    'null',
    '٣',
    ' 1',
    '%00',
    '%zz',
    '%',
    '+',
    '9'.repeat(30),
    'x'.repeat(3000),
    '../..',
    "' or 1=1",
    '__proto__',
    '2026-02-30T00:00:00Z',
    '2026-01-01',
    '2026-01-01T00:00:00.0000000001Z',
    'all,last',
    'last,last',
    ',,',
    '[]',
    '{}',
    'seq:1',
    'c2VxOi0x',
    'c2VxOjFlOQ',
    '%E0%A4%A',
    '\\',
    '"',
  ]
  const names = [
    'limit',
    'added_after',
    'next',
    'match[id]',
    'match[type]',
    'match[version]',
    'match[spec_version]',
    'match[x]',
    'match',
    'match[',
    'match[id]]',
    '',
    '__proto__',
    'from',
    'constructor',
  ]
  const lists = ['objects/', 'manifest/', 'records/']
  const always: [string, string][] = [
    ...['0', '-1', '1.5', 'x', ' 1', '9'.repeat(30), ''].map((v): [string, string] => ['limit', v]),
    ...['', 'x', '2026-01-01', '2026-02-30T00:00:00Z', '2026-01-01T00:00:00+01:00'].map((v): [string, string] => [
      'added_after',
      v,
    ]),
    ...['', 'x', 'c2VxOi0x', 'c2VxOjFlOQ'].map((v): [string, string] => ['next', v]),
    ...['', ',', 'a,', ',a'].map((v): [string, string] => ['match[id]', v]),
    ...['x', 'all,last', '2026-01-01', ''].map((v): [string, string] => ['match[version]', v]),
    ...['2.2', 'x', ''].map((v): [string, string] => ['match[spec_version]', v]),
  ]
  const queries: (() => Omit<Hostile, 'kind'>)[] = [
    () => {
      const [name, value] = pick(always)
      return {
        name: `${name}=${value.slice(0, 30)}`,
        parts: [
          get(
            `${COLLECTION}${pick(['objects/', 'manifest/'])}?${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
          ),
        ],
        expected: [400],
      }
    },
    () => {
      const name = pick(['limit', 'added_after', 'next', 'match[id]', 'match[type]', 'match[version]'])
      return { name: `${name} twice`, parts: [get(`${COLLECTION}objects/?${name}=1&${name}=1`)], expected: [400] }
    },
    () => {
      const pairs = Array.from(
        { length: 1 + int(5) },
        () => `${encodeURI(pick(names))}=${encodeURI(pick(values)).replaceAll('#', '')}`,
      )
      return {
        name: pairs.join('&').slice(0, 60),
        parts: [get(`${COLLECTION}${pick(lists)}?${pairs.join('&')}`)],
        expected: [200, 400],
      }
    },
    () => ({
      name: 'noise',
      parts: [get(`${COLLECTION}${pick(lists)}?${encodeURI(noise(int(200)))}`)],
      expected: [200, 400],
    }),
    () => ({
      name: 'bytes beyond ASCII',
      parts: [get(`${COLLECTION}objects/?match[type]=\u00e9\u00ff`)],
      expected: [200, 400],
    }),
    () => ({
      name: 'very long',
      parts: [get(`${COLLECTION}objects/?match[id]=${'a,'.repeat(3000 + int(20_000))}a`)],
      expected: [400, 431, 'cut'],
    }),
    () => ({
      name: 'a thousand parameters',
      parts: [get(`${COLLECTION}objects/?${'a&'.repeat(3000)}`)],
      expected: [200],
    }),
    () => ({
      name: 'a deletion',
      parts: [get(`${COLLECTION}objects/indicator--none/?match[version]=${encodeURI(pick(values))}`, {}, 'DELETE')],
      expected: [400, 404],
    }),
  ]

  const segments = [
    '..',
    '.',
    '%2e%2e',
    '%2E%2e%2f',
    '%00',
    '%ff',
    '%c0%af',
    'api',
    'collections',
    'default',
    'objects',
    'manifest',
    'versions',
    'status',
    'log',
    'tile',
    '',
    ';x=1',
    '*',
    '~root',
    'C:',
    '%5c..%5c',
    '__proto__',
    'CON',
    "'",
    '\u00e9',
    'x'.repeat(600),
  ]
  const paths: (() => Omit<Hostile, 'kind'>)[] = [
    () => {
      const path = `/${Array.from({ length: 1 + int(7) }, () => pick(segments)).join('/')}`
      return { name: path.slice(0, 60), parts: [get(path)], expected: [200, 400, 404] }
    },
    () => {
      const path = `${COLLECTION}objects/${pick(segments)}${pick(['', '/', '/versions/', '/proof/', '/../', '//'])}`
      return {
        name: path.slice(0, 60),
        parts: [get(path, {}, pick(['GET', 'DELETE']))],
        expected: [200, 400, 404, 405],
      }
    },
    () => ({
      name: 'out of the root',
      parts: [
        get(
          pick([
            '/../../etc/passwd',
            '/api/../../etc/passwd',
            '/..%2f..%2fetc%2fpasswd',
            '//etc/passwd',
            '/log/tile/../../users.json',
            '/log/tile/%2e%2e/store.db',
            '/api//collections/',
          ]),
        ),
      ],
      expected: [404],
    }),
    () => ({ name: 'a status', parts: [get(`/api/status/${encodeURI(pick(values))}/`)], expected: [400, 404] }),
    () => ({ name: 'a tile', parts: [get(`/log/tile/${text(1 + int(30), '0123456789x/.p-')}`)], expected: [404] }),
    () => ({ name: 'noise', parts: [get(`/${encodeURI(noise(int(100)))}`)], expected: [200, 400, 404] }),
    () => ({ name: 'long', parts: [get(`/${'a/'.repeat(500 + int(20_000))}`)], expected: [404, 431, 'cut'] }),
    () => ({
      name: 'a method of its own',
      parts: [get('/api/', {}, text(1 + int(12), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabc'))],
      expected: [400, 405],
    }),
    () => ({
      name: 'a method that is another',
      parts: [get(OBJECTS, {}, pick(['PUT', 'PATCH', 'PROPFIND', 'TRACE', 'LINK', 'MKCOL', 'M-SEARCH']))],
      expected: [400, 405],
    }),
    () => ({ name: 'CONNECT', parts: [get('example.org:443', {}, 'CONNECT')], expected: [405] }),
    () => ({
      name: 'another form of target',
      parts: [get(pick(['http://example.org/api/', 'http://user@x/api/']))],
      expected: [200, 400, 404],
    }),
    () => ({ name: 'no path', parts: [get(pick(['*', 'api/', '?x=1', '#', '']))], expected: [400, 404, 405, 200] }),
    () => ({
      name: 'another version',
      parts: [`GET /api/ HTTP/${pick(['0.9', '1.2', '3.0', 'x', '1.1 '])}\r\nHost: x\r\n\r\n`],
      expected: [400, 401],
    }),
  ]

  const zeros = Buffer.alloc(10_000_000)
  const compressed = {
    gzip: gzipSync(zeros),
    deflate: deflateSync(zeros),
    br: brotliCompressSync(zeros),
    zstd: zstdCompressSync(zeros),
  }
  const bombs: (() => Omit<Hostile, 'kind'>)[] = [
    () => {
      const encoding = pick(['gzip', 'deflate', 'br', 'zstd'] as const)
      return { name: encoding, parts: [post(compressed[encoding], { 'Content-Encoding': encoding })], expected: [415] }
    },
    () => ({
      name: 'twice',
      parts: [post(gzipSync(compressed.gzip), { 'Content-Encoding': 'gzip, gzip' })],
      expected: [415],
    }),
    () => ({
      name: 'in chunks',
      parts: [chunked({ 'Content-Encoding': 'x-gzip' }), chunk(compressed.gzip), '0\r\n\r\n'],
      expected: [415],
    }),
    () => ({
      name: 'as a transfer coding',
      parts: [post(compressed.gzip, { 'Transfer-Encoding': 'gzip, chunked', 'Content-Length': undefined })],
      expected: [400, 415, 422],
    }),
    () => ({ name: 'that does not say so', parts: [post(compressed.gzip)], expected: [422] }),
  ]

  const chunks: (() => Omit<Hostile, 'kind'>)[] = [
    () => {
      const body = envelope(indicator())
      const at = int(body.length)
      return {
        name: 'good ones',
        parts: [
          chunked(),
          chunk(body.slice(0, at + 1)),
          ...(at + 1 < body.length ? [chunk(body.slice(at + 1))] : []),
          '0\r\n\r\n',
        ],
        expected: [202],
      }
    },
    () => ({
      name: 'of one byte',
      parts: [
        Buffer.concat([
          chunked(),
          ...[...Buffer.from(envelope(indicator()))].map(b => chunk(Buffer.of(b))),
          Buffer.from('0\r\n\r\n'),
        ]),
      ],
      expected: [202],
    }),
    () => ({
      name: 'of a size that is none',
      parts: [chunked(), `${pick(['x', '-1', '0x5', 'FFFFFFFFFFFFFFFFF', '5 5', ''])}\r\nhello\r\n0\r\n\r\n`],
      expected: [400, 'cut'],
    }),
    () => ({ name: 'longer than they say', parts: [chunked(), '2\r\nhello\r\n0\r\n\r\n'], expected: [400] }),
    () => ({
      name: 'with extensions and trailers',
      parts: [chunked(), `5;${'x'.repeat(200)}=y\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n`],
      expected: [400, 422],
    }),
    () => ({
      name: 'with an endless extension',
      parts: [chunked(), `5;${'x'.repeat(100_000)}`],
      expected: [400, 'cut', 413],
    }),
    () => ({ name: 'that end in the middle', parts: [chunked(), '5\r\nhel'], expected: ['cut', 400], end: true }),
    () => ({
      name: 'a body that ends in the middle',
      parts: [post('{"obj', { 'Content-Length': '1000' })],
      expected: ['cut', 400],
      end: true,
    }),
  ]
  const endless = (): Omit<Hostile, 'kind'> => ({
    name: 'endless',
    parts: (function* () {
      yield chunked()
      const piece = chunk('x'.repeat(65_536))
      for (let i = 0; i < (3 * maxContentLength) / 65_536; i++) yield piece
    })(),
    expected: [413],
  })

  const pipelines: (() => Omit<Hostile, 'kind'>)[] = [
    () => ({
      name: 'many at once',
      parts: [Buffer.concat(Array.from({ length: 30 }, () => get('/api/')))],
      expected: [200],
      answers: 30,
    }),
    () => ({
      name: 'reads and writes',
      parts: [
        Buffer.concat([
          post(envelope(indicator())),
          get(`${COLLECTION}objects/?limit=1`),
          post('{'),
          post(envelope(indicator())),
        ]),
      ],
      expected: [200, 202, 422],
      answers: 4,
    }),
    () => ({
      name: 'garbage after a request',
      parts: [Buffer.concat([get('/api/'), Buffer.from('GARBAGE\r\n\r\n')])],
      expected: [200, 400, 'cut'],
      answers: 2,
    }),
    () => ({
      name: 'a request inside a refused body',
      parts: [Buffer.concat([post(get('/api/'), { 'Content-Type': 'text/plain' }), get('/api/')])],
      expected: [200, 415],
      answers: 2,
    }),
    () => ({
      name: 'a request behind a shorter length',
      parts: [post(`{}${get('/healthz').toString('latin1')}`, { 'Content-Length': '2' })],
      expected: [200, 422],
      answers: 2,
    }),
  ]

  const of = (kind: string, makers: (() => Omit<Hostile, 'kind'>)[], count: number): (() => Hostile)[] =>
    // Each maker at least once, the rest by chance; made when it is its turn, so that not all lie in memory.
    Array.from({ length: count }, (_, i) => () => ({
      kind,
      ...(i < makers.length ? (makers[i] as () => Omit<Hostile, 'kind'>) : pick(makers))(),
    }))
  return [
    ...of('body', bodies, 700),
    ...of('heavy', heavy, 24),
    ...of('header', headers, 450),
    ...of('query', queries, 500),
    ...of('path', paths, 350),
    ...of('bomb', bombs, 60),
    ...of('chunks', chunks, 140),
    ...of('endless', [endless], 3),
    ...of('pipeline', pipelines, 60),
  ]
}
