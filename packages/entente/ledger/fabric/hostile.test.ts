// What a peer may send, whatever it is, is parsed or refused as a LedgerError.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { GatewayError } from '@hyperledger/fabric-gateway'
import fc from 'fast-check'
import { LedgerError } from '../error.ts'
import { parseAnswer, toAnchored, toLatest } from './answer.ts'
import { endorsedPayload, parseBlock, parseHeight, parseOrganizations, parseWrites } from './block.ts'
import { ChaincodeRefusal, explainFailure, isAway } from './refusal.ts'

const SEED = Number(process.env['ENTENTE_TEST_SEED'] ?? 20261122)
const vectors = join(import.meta.dirname, '../../../../test/vectors/fabric.json')
const [{ anchor }] = (
  JSON.parse(readFileSync(vectors, 'utf8')) as { vectors: [{ anchor: { endorsed: { payload: string } } }] }
).vectors

const parsers: Record<string, (bytes: Uint8Array) => unknown> = {
  parseBlock,
  parseHeight,
  parseOrganizations,
  parseWrites: bytes => parseWrites(bytes, 'entente'),
  endorsedPayload,
  parseAnswer,
  toAnchored: bytes => toAnchored(parseAnswer(bytes)),
  toLatest: bytes => toLatest(parseAnswer(bytes)),
}

for (const [name, parse] of Object.entries(parsers))
  test(`${name}: any bytes`, () => {
    const real = Buffer.from(anchor.endorsed.payload, 'base64')
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map(text => Buffer.from(text)),
      // Real bytes of another message, cut and changed
      fc.tuple(fc.nat(real.length), fc.nat(real.length), fc.nat(255)).map(([at, length, value]) => {
        const changed = Buffer.from(real.subarray(0, length))
        if (at < changed.length) changed[at] = value
        return changed
      }),
    )
    const property = fc.property(bytes, given => {
      try {
        parse(given)
      } catch (error) {
        assert.ok(error instanceof LedgerError && error.code === 'corrupt', String(error))
      }
    })
    fc.assert(property, { seed: SEED, numRuns: 300 })
  })

const failure = (code: number, message: string, ...details: string[]) =>
  new GatewayError({
    code,
    message,
    details: details.map(text => ({ address: 'peer0.org2.example:7051', mspId: 'Org2MSP', message: text })),
    cause: Object.assign(new Error(message), { code }) as unknown as GatewayError['cause'],
  })

test('what a gateway answers, as an error of ours', () => {
  const codeOf = (error: unknown) => (explainFailure(error, ['peer:7051']) as LedgerError).code
  assert.equal(codeOf(failure(status.UNAVAILABLE, 'no connection')), 'unreachable')
  assert.equal(codeOf(failure(status.PERMISSION_DENIED, 'access denied')), 'refused')
  assert.equal(codeOf(failure(status.RESOURCE_EXHAUSTED, 'too many requests')), 'busy')
  assert.equal(codeOf(failure(status.ABORTED, 'failed to endorse', 'could not launch chaincode')), 'unreachable')
  const refusal = (text: string) =>
    codeOf(failure(status.ABORTED, 'failed to endorse', `chaincode response 500, ${text}`))
  for (const [text, code] of [
    ['Stale {"logId":"00","latestSize":7,"size":5}', 'stale'],
    ['Fork {"latestSize":7,"size":7,"expected":"aa","actual":"bb"}', 'fork'],
    ['BadProof {"latestSize":7,"size":9,"actualLength":0}', 'fork'],
    ['Closed {"successor":"11"}', 'closed'],
    ['NotOwner {"owner":"a","caller":"b"}', 'refused'],
    ['Invalid {"what":"size"}', 'refused'],
    // Not of our chaincode, or not as it says it
    ['Stale', 'unreachable'],
    ['Fork {', 'unreachable'],
    ['fork {}', 'unreachable'],
    ['Fork null', 'unreachable'],
    [`Fork ${'['.repeat(20_000)}`, 'unreachable'],
  ] as const)
    assert.equal(refusal(text), code, text.slice(0, 60))
  const explained = explainFailure(
    failure(status.ABORTED, 'x', 'chaincode response 500, Fork {"size":7}'),
  ) as LedgerError
  assert.ok(explained.cause instanceof ChaincodeRefusal)
  assert.equal(explained.cause.details['size'], 7)
  const other = new Error('not of the gateway')
  assert.equal(explainFailure(other), other)
  assert.ok(isAway(failure(status.FAILED_PRECONDITION, 'no combination of peers')))
  assert.ok(!isAway(failure(status.ABORTED, 'failed to endorse')))
})
