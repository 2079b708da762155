// The event streams of WHATWG HTML section 9.2, cut at any byte.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createEventStreamParser, type StreamMessage } from './eventstream.ts'

const SEED = 20261122
const MAX = 10_000

function parse(bytes: Uint8Array, cuts: number[] = [], max = MAX) {
  const parser = createEventStreamParser(max)
  const at = [0, ...cuts.map(c => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  const messages = at.slice(1).flatMap((end, i) => parser.push(bytes.subarray(at[i], end)))
  return { messages, lastId: parser.lastId(), retryMs: parser.retryMs() }
}
const parseText = (text: string) => parse(Buffer.from(text))
const plain = (data: string | undefined, id?: string, type = 'message'): StreamMessage => ({ type, data, id })

/** Section 9.2.6, written as it reads, on the whole stream. */
function naive(bytes: Uint8Array) {
  const text = new TextDecoder().decode(bytes)
  const lines = text.split(/\r\n|\n|\r/)
  lines.pop() // has not ended
  const messages: StreamMessage[] = []
  let [data, type, id, lastId, retryMs] = ['', '', undefined, undefined, undefined] as [
    string,
    string,
    string | undefined,
    string | undefined,
    number | undefined,
  ]
  for (const line of lines) {
    if (line === '') {
      lastId = id ?? lastId
      if (data !== '') messages.push({ type: type || 'message', data: data.slice(0, -1), id })
      else if (id !== undefined) messages.push({ type: type || 'message', data: undefined, id })
      data = type = ''
      id = undefined
    } else if (!line.startsWith(':')) {
      const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) as RegExpExecArray
      if (field === 'data') data += `${value}\n`
      if (field === 'event') type = value
      if (field === 'id' && !value.includes('\0')) id = value
      if (field === 'retry' && /^\d{1,9}$/.test(value)) retryMs = Number(value)
    }
  }
  return { messages, lastId, retryMs }
}

test('the examples of section 9.2.6', () => {
  assert.deepEqual(parseText('data: YHOO\ndata: +2\ndata: 10\n\n').messages, [plain('YHOO\n+2\n10')])
  const blocks = ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n'
  assert.deepEqual(parseText(blocks).messages, [
    plain('first event', '1'),
    plain('second event', ''),
    plain(' third event'),
  ])
  assert.deepEqual(parseText('data\n\ndata\ndata\n\ndata:').messages, [plain(''), plain('\n')])
  assert.deepEqual(parseText('data:test\n\ndata: test\n\n').messages, [plain('test'), plain('test')])
})

test('line ends, byte order mark, comments, ids, retry', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    const text = `\ufeff:hi${end}event: added${end}id: 7${end}data: a${end}data: b${end}${end}data: c${end}${end}`
    assert.deepEqual(parseText(text).messages, [plain('a\nb', '7', 'added'), plain('c')])
  }
  assert.deepEqual(parseText('data: a\r\r\n\ndata: b\n\r').messages, [plain('a'), plain('b')])
  assert.deepEqual(parseText('\ufeff\ufeffdata: a\n\n').messages, [], 'one mark goes, the next is part of the name')
  const place = parseText(':\nid: 5\n\n')
  assert.deepEqual(
    [place.lastId, place.messages],
    ['5', [plain(undefined, '5')]],
    'an id alone moves the place to go on from',
  )
  assert.deepEqual(parseText('id: 5\nid: a\0b\ndata: x\n\n').messages, [plain('x', '5')])
  assert.equal(parseText('retry: 1500\nretry: 2s\nretry: -1\nretry: 1e3\n').retryMs, 1500)
  assert.deepEqual(parseText('id: 3\n\nid: 4\ndata: lost').lastId, '3', 'what was cut off is to come again')
  assert.deepEqual(parseText('data: lost').messages, [])
  assert.deepEqual(parseText('data: lost\n').messages, [])
})

test('cut anywhere, a stream says the same', () => {
  const bit = fc.oneof(
    fc.constantFrom(
      '\n',
      '\r',
      '\r\n',
      ':',
      ' ',
      'data',
      'data:',
      'data: ',
      'event: ',
      'id: ',
      'id',
      'retry: 12',
      '\ufeff',
    ),
    fc.constantFrom('é', '€', '😀', '\0', 'x', '\n\n', '\r\n\r\n', ': c\n', 'data: {"a":1}\n\n'),
    fc.string({ unit: 'binary', maxLength: 4 }),
  )
  const stream = fc.array(bit, { maxLength: 60 }).map(bits => Buffer.from(bits.join('')))
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (bytes, cuts) => {
      assert.deepEqual(parse(bytes, cuts), naive(bytes))
    }),
    { seed: SEED, numRuns: 3000 },
  )
  const every = Buffer.from('\ufeffevent: é😀\r\nid: 1\r\ndata: a\r\ndata: €\r\n\r\ndata: b\n\n')
  for (let at = 0; at <= every.length; at++)
    for (let to = at; to <= every.length; to++) assert.deepEqual(parse(every, [at, to]), naive(every))
})

test('any bytes at all: no error but the bound', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
      parse(bytes, cuts)
    }),
    { seed: SEED, numRuns: 1000 },
  )
})

test('lines and messages are bounded, comments of any number are not held', () => {
  const tooBig = { name: 'ClientError', code: 'too-big' }
  assert.throws(() => parse(Buffer.from(`data: ${'x'.repeat(200)}`), [], 100), tooBig)
  assert.throws(() => parse(Buffer.from(`: ${'x'.repeat(200)}`), [10, 50, 90], 100), tooBig)
  assert.throws(() => parse(Buffer.from('data: x\n'.repeat(100)), [], 100), tooBig)
  assert.throws(() => parse(Buffer.from('data:\n'.repeat(100)), [], 100), tooBig)
  assert.equal(parse(Buffer.from('data: x\n\n'.repeat(100)), [], 100).messages.length, 100)
  assert.deepEqual(parse(Buffer.from(`data: y\n${': beat\n'.repeat(100)}\n`), [], 100).messages, [plain('y')])
})

test('a message of many chunks is put together once', () => {
  const parser = createEventStreamParser(40_000_000)
  const chunk = Buffer.alloc(16_384, 'x')
  const began = performance.now()
  parser.push(Buffer.from('data: '))
  for (let i = 0; i < 2000; i++) parser.push(chunk)
  const [message] = parser.push(Buffer.from('\n\n'))
  assert.equal(message?.data?.length, 2000 * chunk.length)
  assert.ok(performance.now() - began < 5000)
})
