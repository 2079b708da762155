import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fees, marketFees, priceOf, raisedFees } from './fees.ts'
import { RpcError } from './provider.ts'
import { askOf } from './rpc.ts'

const node = (answers: Record<string, unknown>) =>
  askOf({
    async request({ method }) {
      if (method in answers) return answers[method]
      throw new RpcError(-32601, 'the method does not exist')
    },
  })

test('what the market asks: with and without a base fee, and where no tip is known', async () => {
  const legacy = node({ eth_getBlockByNumber: {}, eth_gasPrice: '0x0' })
  assert.deepEqual(await marketFees(legacy), { gasPrice: 0n })
  const london = { eth_getBlockByNumber: { baseFeePerGas: '0x64' } }
  assert.deepEqual(await marketFees(node({ ...london, eth_maxPriorityFeePerGas: '0x5' })), {
    maxFeePerGas: 205n,
    maxPriorityFeePerGas: 5n,
  })
  assert.deepEqual(await marketFees(node({ ...london, eth_gasPrice: '0x6e' })), {
    maxFeePerGas: 210n,
    maxPriorityFeePerGas: 10n,
  })
  assert.deepEqual(await marketFees(node({ ...london, eth_gasPrice: '0x1' })), {
    maxFeePerGas: 200n,
    maxPriorityFeePerGas: 0n,
  })
})

test('a replacement pays a quarter more, or what the market asks, and at most ten times the first', () => {
  const of = (maxFeePerGas: bigint, maxPriorityFeePerGas: bigint): Fees => ({ maxFeePerGas, maxPriorityFeePerGas })
  assert.deepEqual(raisedFees(of(100n, 10n), of(100n, 10n), of(50n, 5n)), of(126n, 13n))
  assert.deepEqual(raisedFees(of(100n, 10n), of(100n, 10n), of(500n, 90n)), of(500n, 90n))
  assert.deepEqual(raisedFees({ gasPrice: 100n }, { gasPrice: 200n }, of(300n, 1n)), { gasPrice: 300n })
  assert.deepEqual(raisedFees(of(100n, 10n), of(100n, 10n), { gasPrice: 130n }), of(130n, 130n))
  assert.equal(raisedFees(of(100n, 10n), of(900n, 90n), of(50n, 5n)), undefined)
  assert.equal(raisedFees(of(100n, 10n), of(100n, 10n), of(1001n, 10n)), undefined)
  assert.equal(raisedFees({ gasPrice: 0n }, { gasPrice: 0n }, { gasPrice: 0n }), undefined) // a chain without fees
  assert.equal(priceOf(raisedFees({ gasPrice: 0n }, { gasPrice: 0n }, { gasPrice: 7n }) ?? assert.fail()), 7n)
})
