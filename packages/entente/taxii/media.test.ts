import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TaxiiError } from './errors.ts'
import { checkAccept, checkContentType, PROOF, STIX, TAXII } from './media.ts'

const accepts = (header: string | undefined, offers?: string[]): boolean => {
  try {
    checkAccept(header, offers)
    return true
  } catch (error) {
    assert.ok(error instanceof TaxiiError)
    assert.equal(error.status, 406)
    return false
  }
}
const takes = (header: string | undefined, encoding?: string): boolean => {
  try {
    checkContentType(header, encoding)
    return true
  } catch (error) {
    assert.ok(error instanceof TaxiiError)
    assert.equal(error.status, 415)
    return false
  }
}

test('T12 B1 Accept without a version is no 406', () => {
  assert.ok(accepts('application/taxii+json'))
  assert.ok(accepts('APPLICATION/TAXII+JSON'))
})

test('T13 B3 a defined type inside a list, with parameters, quotes and q-values, is no 406', () => {
  for (const header of [
    'application/taxii+json;version=2.1',
    'application/taxii+json; version=2.1',
    'application/taxii+json ;version="2.1"',
    'application/taxii+json;VERSION=2.1',
    'application/taxii+json;version=2.1, */*',
    'text/html, application/taxii+json;version=2.1;q=0.1',
    'application/taxii+json;q=0.2;version=2.1',
    'text/html;charset="a,b;c", application/taxii+json;version=2.1',
    'text/html;x="\\", application/xml", application/taxii+json',
    'application/taxii+json;version=2.0, application/taxii+json;version=2.1',
    '*/*',
    'application/*',
    'application/*;q=0.5',
    'application/json',
    ' , application/taxii+json',
  ])
    assert.ok(accepts(header), header)
})

test('no Accept header takes anything (RFC 9110 section 12.5.1)', () => {
  assert.ok(accepts(undefined))
  assert.ok(accepts(''))
  assert.ok(accepts('  '))
})

test('T13 an Accept that no offer satisfies is 406, however it looks', () => {
  for (const header of [
    'text/html',
    'application/taxii+json;version=2.0',
    'application/taxii+json;version=',
    'application/taxii+json;version=2.1;q=0',
    '*/*;q=0',
    'application/json;q=0',
    'application/vnd.oasis.taxii+json',
    'application/taxii+json;q=none',
    'text/*',
    'application/taxii',
    '/',
    ';',
    ',',
    '"',
    '"application/taxii+json',
    ';;;===,,,',
  ])
    assert.ok(!accepts(header), header)
})

test('T15 a resource with several types is served to who takes one of them', () => {
  assert.ok(accepts('application/stix+json;version=2.1', [TAXII, STIX]))
  assert.ok(!accepts('application/stix+json;version=2.1'))
  assert.ok(accepts('application/vnd.entente.proof+json', [PROOF, TAXII]))
  assert.ok(!accepts('application/vnd.entente.proof+json;version=2', [PROOF, TAXII]))
})

test('a 406 names what is served and what was asked for, cut to a length', () => {
  assert.throws(() => checkAccept('text/html'), /application\/taxii\+json;version=2\.1.*text\/html/)
  assert.throws(
    () => checkAccept(`text/${'x'.repeat(9999)}`),
    (e: Error) => e.message.length < 500,
  )
})

test('T14 B2 the version may be absent, quoted or spaced', () => {
  for (const header of [
    'application/taxii+json',
    'application/taxii+json;version=2.1',
    'application/taxii+json; version=2.1',
    'application/taxii+json ; version="2.1"',
    'Application/TAXII+json;Version=2.1',
    'application/taxii+json;version=2.1;charset=utf-8',
    'application/taxii+json;charset=utf-8',
  ])
    assert.ok(takes(header), header)
})

test('a STIX bundle may say that it is one', () => {
  for (const header of ['application/stix+json; version=2.1', 'application/stix+json'])
    assert.equal(checkContentType(header), 'application/stix+json')
  assert.equal(checkContentType('application/taxii+json'), 'application/taxii+json')
})

test('T14 another Content-Type is 415', () => {
  for (const header of [
    undefined,
    '',
    'application/json',
    'application/stix+json;version=2.0',
    'application/vnd.oasis.stix+json; version=2.0',
    'application/taxii+json;version=2.0',
    'application/vnd.oasis.taxii+json; version=2.0',
    'application/taxii+json, application/taxii+json',
    'text/plain',
    '*/*',
    ';version=2.1',
  ])
    assert.ok(!takes(header), header)
})

test('a compressed body is 415', () => {
  assert.ok(takes(TAXII, 'identity'))
  assert.ok(takes(TAXII, ' Identity '))
  for (const encoding of ['gzip', 'br', 'identity, gzip', '']) assert.ok(!takes(TAXII, encoding), encoding)
})

test('a header of the greatest length costs next to nothing', () => {
  const started = performance.now()
  for (const part of [',', ';', '"', '\\"', 'a;b=c,', '=;']) {
    accepts(part.repeat(16_384 / part.length))
    takes(part.repeat(16_384 / part.length))
  }
  assert.ok(performance.now() - started < 500)
})
