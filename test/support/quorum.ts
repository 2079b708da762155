import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Hex, toRlp } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { type EvmNetwork, createNode, freePorts, startNetwork, testKey } from './evm-network.ts'

const run = promisify(execFile)

/** A GoQuorum (LGPL-3.0, a program of its own), which is in no package registry: whoever has one names it. */
export function findQuorum(): { path: string } | { reason: string } {
  const path = process.env['ENTENTE_TEST_QUORUM']
  if (path === undefined) return { reason: 'ENTENTE_TEST_QUORUM names no GoQuorum (its geth, v24.4.1)' }
  return existsSync(path) ? { path } : { reason: `ENTENTE_TEST_QUORUM names ${path}, which is not there` }
}

export type Consensus = 'qbft' | 'ibft' | 'raft'

const CHAIN_ID = 1_337_024
const ZERO: Hex = `0x${'00'.repeat(32)}`
const ISTANBUL: Hex = '0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365'
const FORKS = [
  'homestead',
  'eip150',
  'eip155',
  'eip158',
  'byzantium',
  'constantinople',
  'petersburg',
  'istanbul',
  'muirGlacier',
  'berlin',
]

/**
 * Starts a GoQuorum network of validators on loopback, at gas price 0 and with a block a second, its data in `folder`.
 *
 * @param options.newcomers nodes after the validators' that would validate and may not yet
 */
export async function startQuorum(
  path: string,
  folder: string,
  consensus: Consensus,
  { validators: seats = 4, newcomers = 0 }: { validators?: number; newcomers?: number } = {},
): Promise<EvmNetwork> {
  const count = seats + newcomers
  const validators = Array.from({ length: count }, (_, i) => privateKeyToAccount(testKey(`validator ${i}`)))
  const ports = await freePorts(3 * count)
  const addresses = validators
    .slice(0, seats)
    .map(({ address }) => address.toLowerCase() as Hex)
    .sort()
  const extraData: Record<Consensus, Hex> = {
    qbft: toRlp([ZERO, addresses, [], '0x', []]),
    ibft: `${ZERO}${toRlp([addresses, '0x', []]).slice(2)}`,
    raft: ZERO,
  }
  // Seconds, whatever comments in its source say.
  const bft = {
    epochlength: 30_000,
    blockperiodseconds: 1,
    emptyblockperiodseconds: 1,
    requesttimeoutseconds: 2,
    policy: 0,
    ceil2Nby3Block: 0,
  }
  const isRaft = consensus === 'raft'
  mkdirSync(folder, { recursive: true })
  const genesis = join(folder, 'genesis.json')
  writeFileSync(
    genesis,
    JSON.stringify({
      config: {
        chainId: CHAIN_ID,
        ...Object.fromEntries(FORKS.map(name => [`${name}Block`, 0])),
        isQuorum: true,
        maxCodeSizeConfig: [{ block: 0, size: 64 }],
        txnSizeLimit: 64,
        ...(isRaft ? {} : { [consensus]: bft }),
      },
      nonce: '0x0',
      timestamp: '0x0',
      gasLimit: '0xe0000000',
      difficulty: isRaft ? '0x0' : '0x1',
      coinbase: `0x${'00'.repeat(20)}`,
      mixHash: isRaft ? ZERO : ISTANBUL,
      extraData: extraData[consensus],
      alloc: {},
    }),
  )
  const enodes = validators.map(
    ({ publicKey }, i) =>
      `enode://${publicKey.slice(4)}@127.0.0.1:${ports[i]}?discport=0${isRaft ? `&raftport=${ports[2 * count + i]}` : ''}`,
  )
  const nodes = await Promise.all(
    validators.map(async ({ address }, i) => {
      const data = join(folder, `node${i}`)
      mkdirSync(join(data, 'geth'), { recursive: true })
      writeFileSync(join(data, 'geth/nodekey'), testKey(`validator ${i}`).slice(2))
      writeFileSync(join(data, 'static-nodes.json'), JSON.stringify(enodes))
      writeFileSync(
        join(data, 'config.toml'),
        `[Node.P2P]\nMaxPeers = 25\nNoDiscovery = true\nListenAddr = "127.0.0.1:${ports[i]}"\n`,
      )
      const env = { PRIVATE_CONFIG: 'ignore' } // no manager of private transactions
      const init = async () =>
        void (await run(path, ['--verbosity', '1', '--datadir', data, 'init', genesis], {
          env: { ...process.env, ...env },
        }))
      await init()
      const local = [
        '--networkid',
        `${CHAIN_ID}`,
        '--nat',
        'none',
        '--netrestrict',
        '127.0.0.0/8',
        '--ipcdisable',
        '--syncmode',
        'full',
        '--gcmode',
        'archive',
      ]
      const api = [
        '--http',
        '--http.addr',
        '127.0.0.1',
        '--http.port',
        `${ports[count + i]}`,
        '--http.api',
        'eth,net,web3,istanbul,raft',
      ]
      const sealing = isRaft
        ? ['--raft', '--raftport', `${ports[2 * count + i]}`, '--raftblocktime', '1000', '--emitcheckpoints']
        : ['--mine', '--miner.threads', '1', '--miner.gasprice', '0']
      return createNode({
        path,
        env,
        args: [
          '--config',
          join(data, 'config.toml'),
          '--datadir',
          data,
          ...local,
          ...api,
          ...sealing,
          '--cache',
          '64',
          '--verbosity',
          '3',
        ],
        url: `http://127.0.0.1:${ports[count + i]}`,
        address: address.toLowerCase(),
        folder: data,
        async wipe() {
          rmSync(join(data, 'geth/chaindata'), { recursive: true, force: true })
          await init()
        },
      })
    }),
  )
  // Raft makes blocks only of transactions.
  return startNetwork(CHAIN_ID, nodes, isRaft ? 0 : 2)
}
