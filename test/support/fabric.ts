// A Hyperledger Fabric network on this machine: two organisations with a peer each, orderers (Raft, or BFT from Fabric 3 on), one
// channel, and our chaincode as a service of each organisation, installed from our own package. Fabric itself is not obtained here:
// ENTENTE_TEST_FABRIC_BIN names a folder that has peer, orderer, configtxgen, cryptogen and osnadmin.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createChaincodePackage } from '../../packages/entente/ledger/fabric/package.ts'
import { freePort } from './mongod.ts'

const run = promisify(execFile)
const CHANNEL = 'notary'
const CHAINCODE = 'entente'
const server = join(import.meta.dirname, '../../chaincode/server.ts')

/** The folder of the binaries, or why there is no Fabric here. */
export function findFabric(): { bin: string } | { reason: string } {
  const bin = process.env['ENTENTE_TEST_FABRIC_BIN']
  if (!bin) return { reason: 'no Hyperledger Fabric: ENTENTE_TEST_FABRIC_BIN names no folder of its binaries' }
  const missing = ['peer', 'orderer', 'configtxgen', 'cryptogen', 'osnadmin'].filter(
    name => !existsSync(join(bin, name)),
  )
  return missing.length > 0 ? { reason: `${bin} has no ${missing.join(', ')}` } : { bin }
}

/** A process that can be ended and started again with what it has on disk. */
export interface FabricNode {
  readonly endpoint: string
  readonly log: string
  stop(signal?: NodeJS.Signals): Promise<void>
  start(): Promise<void>
}
export interface FabricOrganization {
  readonly mspId: string
  readonly peer: FabricNode
  readonly chaincode: FabricNode
  /** Files of a user, and of the CA of the peers' TLS certificates. */
  readonly cert: string
  readonly key: string
  readonly tlsCert: string
  /** The CA that issued the peers' identities. */
  readonly caCert: string
}
export interface FabricNetwork {
  readonly version: string
  readonly fabricChannel: string
  readonly chaincode: string
  readonly packageIds: readonly string[]
  readonly organizations: readonly FabricOrganization[]
  readonly orderers: readonly FabricNode[]
  stop(): Promise<void>
}

export type Consensus = 'etcdraft' | 'BFT'

/** Starts a network with everything that it writes in `folder`. */
export async function startFabric(bin: string, folder: string, consensus: Consensus): Promise<FabricNetwork> {
  const nodes: FabricNode[] = []
  const end = async () => {
    await Promise.all(nodes.map(node => node.stop('SIGKILL')))
  }
  try {
    return await start(bin, folder, consensus, nodes, end)
  } catch (error) {
    await end()
    throw error
  }
}

async function start(
  bin: string,
  folder: string,
  consensus: Consensus,
  nodes: FabricNode[],
  end: () => Promise<void>,
): Promise<FabricNetwork> {
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value)) // JSON is YAML
  const ports = async () => ({ main: await freePort(), second: await freePort(), operations: await freePort() })
  const addNode = (name: string, port: number, ...command: [string, string[], NodeJS.ProcessEnv]) => {
    const node = createNode(join(folder, `${name}.log`), port, ...command)
    nodes.push(node)
    return node
  }

  const hosts = { SANS: ['localhost', '127.0.0.1'] }
  const ordererNames = Array.from({ length: consensus === 'BFT' ? 4 : 3 }, (_, n) => `o${n + 1}`)
  write('crypto.yaml', {
    OrdererOrgs: [
      {
        Name: 'Orderer',
        Domain: 'orderer.local',
        EnableNodeOUs: true,
        Specs: ordererNames.map(Hostname => ({ Hostname, ...hosts })),
      },
    ],
    PeerOrgs: [1, 2].map(n => ({
      Name: `Org${n}`,
      Domain: `org${n}.local`,
      EnableNodeOUs: true,
      Template: { Count: 1, ...hosts },
      Users: { Count: 2 },
    })),
  })
  const crypto = join(folder, 'crypto')
  await run(join(bin, 'cryptogen'), ['generate', '--config', join(folder, 'crypto.yaml'), '--output', crypto])
  const orderers = await Promise.all(
    ordererNames.map(async name => ({
      name,
      home: join(crypto, `ordererOrganizations/orderer.local/orderers/${name}.orderer.local`),
      ...(await ports()),
    })),
  )
  const peers = await Promise.all(
    [1, 2].map(async n => {
      const org = join(crypto, `peerOrganizations/org${n}.local`)
      return {
        name: `peer${n}`,
        mspId: `Org${n}MSP`,
        org,
        home: join(org, `peers/peer0.org${n}.local`),
        ...(await ports()),
        service: await freePort(),
      }
    }),
  )

  write('configtx.yaml', channelConfig(consensus, crypto, orderers, peers))
  const block = join(folder, 'genesis.block')
  await run(join(bin, 'configtxgen'), ['-profile', 'Net', '-channelID', CHANNEL, '-outputBlock', block], {
    env: { ...process.env, FABRIC_CFG_PATH: folder },
  })

  const builder = join(folder, 'builder')
  writeBuilder(builder)
  const FABRIC_LOGGING_SPEC = 'info'
  const startedOrderers = orderers.map(o => {
    const config = join(folder, o.name)
    mkdirSync(config)
    write(join(o.name, 'orderer.yaml'), ordererConfig(config, o))
    return addNode(o.name, o.main, join(bin, 'orderer'), [], {
      ...process.env,
      FABRIC_CFG_PATH: config,
      FABRIC_LOGGING_SPEC,
    })
  })
  const startedPeers = peers.map(p => {
    const config = join(folder, p.name)
    mkdirSync(config)
    write(join(p.name, 'core.yaml'), peerConfig(config, builder, p))
    return addNode(p.name, p.main, join(bin, 'peer'), ['node', 'start'], {
      ...process.env,
      FABRIC_CFG_PATH: config,
      FABRIC_LOGGING_SPEC,
    })
  })
  await Promise.all([...startedOrderers, ...startedPeers].map(node => node.start()))

  const tls = join(orderers[0]!.home, 'tls')
  for (const { second } of orderers) {
    await isOpen(second)
    const files = [
      '--ca-file',
      join(tls, 'ca.crt'),
      '--client-cert',
      join(tls, 'server.crt'),
      '--client-key',
      join(tls, 'server.key'),
    ]
    await run(join(bin, 'osnadmin'), [
      'channel',
      'join',
      '--channelID',
      CHANNEL,
      '--config-block',
      block,
      '-o',
      `127.0.0.1:${second}`,
      ...files,
    ])
  }
  /** The command of an organisation's administrator. */
  const asAdmin = (p: (typeof peers)[number], ...args: string[]) => {
    const admin = join(p.org, 'users', `Admin@${p.org.split('/').at(-1)}`, 'msp')
    const env = {
      ...process.env,
      FABRIC_CFG_PATH: join(folder, p.name),
      CORE_PEER_MSPCONFIGPATH: admin,
      FABRIC_LOGGING_SPEC: 'error',
    }
    return run(join(bin, 'peer'), args, { env })
  }
  for (const p of peers) await asAdmin(p, 'channel', 'join', '-b', block)

  const packageIds: string[] = []
  const services: FabricNode[] = []
  const policy = ['--signature-policy', "AND('Org1MSP.peer','Org2MSP.peer')"]
  const definition = ['--channelID', CHANNEL, '--name', CHAINCODE, '--version', '1', '--sequence', '1', ...policy]
  const ordering = ['-o', `127.0.0.1:${orderers[0]!.main}`, '--tls', '--cafile', join(tls, 'ca.crt')]
  for (const p of peers) {
    const { bytes, id } = createChaincodePackage('entente_1', { address: `127.0.0.1:${p.service}` })
    const file = join(folder, `${p.name}.tar.gz`)
    writeFileSync(file, bytes)
    await asAdmin(p, 'lifecycle', 'chaincode', 'install', file)
    const { stdout } = await asAdmin(p, 'lifecycle', 'chaincode', 'queryinstalled')
    if (!stdout.includes(id)) throw new Error(`Fabric calls the package otherwise than ${id}: ${stdout}`)
    packageIds.push(id)
    const env = { ...process.env, CHAINCODE_SERVER_ADDRESS: `127.0.0.1:${p.service}`, CHAINCODE_ID: id }
    const service = addNode(`chaincode-${p.name}`, p.service, process.execPath, [server], env)
    await service.start()
    services.push(service)
    // Raft needs a leader first
    await until(90_000, () =>
      asAdmin(p, 'lifecycle', 'chaincode', 'approveformyorg', ...definition, '--package-id', id, ...ordering),
    )
  }
  const endorsers = peers.flatMap(p => [
    '--peerAddresses',
    `127.0.0.1:${p.main}`,
    '--tlsRootCertFiles',
    join(p.home, 'tls/ca.crt'),
  ])
  await asAdmin(peers[0]!, 'lifecycle', 'chaincode', 'commit', ...definition, ...ordering, ...endorsers)
  // Until a peer has met that of the other organisation, its gateway finds nobody to endorse with
  for (const { log } of startedPeers)
    await until(60_000, async () => {
      if (!readFileSync(log, 'utf8').includes('peers went online')) throw new Error(`${log}: no other peer`)
    })

  const { stdout: version } = await run(join(bin, 'peer'), ['version'])
  return {
    version: /Version: (\S+)/.exec(version)?.[1] ?? '',
    fabricChannel: CHANNEL,
    chaincode: CHAINCODE,
    packageIds,
    orderers: startedOrderers,
    organizations: peers.map((p, n) => {
      const domain = p.org.split('/').at(-1)
      const user = join(p.org, 'users', `User1@${domain}`, 'msp')
      return {
        mspId: p.mspId,
        peer: startedPeers[n]!,
        chaincode: services[n]!,
        cert: onlyFile(join(user, 'signcerts')),
        key: onlyFile(join(user, 'keystore')),
        tlsCert: join(p.home, 'tls/ca.crt'),
        caCert: onlyFile(join(p.org, 'ca'), '-cert.pem'),
      }
    }),
    stop: end,
  }
}

type Orderer = { name: string; home: string; main: number; second: number; operations: number }
type Peer = Orderer & { mspId: string; org: string; service: number }

function channelConfig(
  consensus: Consensus,
  crypto: string,
  orderers: readonly Orderer[],
  peers: readonly Peer[],
): unknown {
  const signature = (Rule: string) => ({ Type: 'Signature', Rule })
  const ofMembers = (msp: string) => ({
    Readers: signature(`OR('${msp}.member')`),
    Writers: signature(`OR('${msp}.member')`),
    Admins: signature(`OR('${msp}.admin')`),
    Endorsement: signature(`OR('${msp}.peer')`),
  })
  const meta = (Rule: string) => ({ Type: 'ImplicitMeta', Rule })
  const Policies = { Readers: meta('ANY Readers'), Writers: meta('ANY Writers'), Admins: meta('MAJORITY Admins') }
  const certs = (o: Orderer) => ({
    ClientTLSCert: join(o.home, 'tls/server.crt'),
    ServerTLSCert: join(o.home, 'tls/server.crt'),
  })
  const consenters = orderers.map((o, n) => ({ Host: '127.0.0.1', Port: o.main, ...certs(o), ...identity(o, n) }))
  function identity({ home, name }: Orderer, n: number) {
    const Identity = join(home, `msp/signcerts/${name}.orderer.local-cert.pem`)
    return consensus === 'BFT' ? { ID: n + 1, MSPID: 'OrdererMSP', Identity } : {}
  }
  const raft = {
    TickInterval: '100ms',
    ElectionTick: 10,
    HeartbeatTick: 1,
    MaxInflightBlocks: 5,
    SnapshotIntervalSize: '16 MB',
  }
  const bft = {
    RequestBatchMaxInterval: '200ms',
    RequestForwardTimeout: '2s',
    RequestComplainTimeout: '5s',
    RequestAutoRemoveTimeout: '3m0s',
    ViewChangeResendInterval: '2s',
    ViewChangeTimeout: '10s',
    LeaderHeartbeatTimeout: '10s',
    CollectTimeout: '1s',
    IncomingMessageBufferSize: 200,
    RequestPoolSize: 100_000,
    LeaderHeartbeatCount: 10,
  }
  return {
    Profiles: {
      Net: {
        Policies,
        Capabilities: { [consensus === 'BFT' ? 'V3_0' : 'V2_0']: true },
        Orderer: {
          OrdererType: consensus,
          BatchTimeout: '200ms',
          BatchSize: { MaxMessageCount: 100, AbsoluteMaxBytes: '10 MB', PreferredMaxBytes: '2 MB' },
          Capabilities: { V2_0: true },
          Policies: { ...Policies, BlockValidation: meta('ANY Writers') },
          ...(consensus === 'BFT'
            ? { SmartBFT: bft, ConsenterMapping: consenters }
            : { EtcdRaft: { Options: raft, Consenters: consenters } }),
          Organizations: [
            {
              Name: 'Orderer',
              ID: 'OrdererMSP',
              MSPDir: join(crypto, 'ordererOrganizations/orderer.local/msp'),
              Policies: ofMembers('OrdererMSP'),
              OrdererEndpoints: orderers.map(({ main }) => `127.0.0.1:${main}`),
            },
          ],
        },
        Application: {
          Policies: {
            ...Policies,
            LifecycleEndorsement: meta('MAJORITY Endorsement'),
            Endorsement: meta('MAJORITY Endorsement'),
          },
          Capabilities: { V2_5: true },
          // Without anchor peers a gateway never finds the other organisation's peer
          Organizations: peers.map(({ mspId, org, main }) => ({
            Name: mspId,
            ID: mspId,
            MSPDir: join(org, 'msp'),
            Policies: ofMembers(mspId),
            AnchorPeers: [{ Host: '127.0.0.1', Port: main }],
          })),
        },
      },
    },
  }
}

const BCCSP = { Default: 'SW', SW: { Hash: 'SHA2', Security: 256 } }

function ordererConfig(folder: string, { home, main, second, operations }: Orderer): unknown {
  const [cert, key, ca] = ['server.crt', 'server.key', 'ca.crt'].map(name => join(home, 'tls', name))
  return {
    General: {
      ListenAddress: '127.0.0.1',
      ListenPort: main,
      TLS: { Enabled: true, PrivateKey: key, Certificate: cert, RootCAs: [ca] },
      Cluster: { SendBufferSize: 100, ClientCertificate: cert, ClientPrivateKey: key, RootCAs: [ca] },
      BootstrapMethod: 'none',
      LocalMSPDir: join(home, 'msp'),
      LocalMSPID: 'OrdererMSP',
      BCCSP,
    },
    FileLedger: { Location: join(folder, 'ledger') },
    ChannelParticipation: { Enabled: true, MaxRequestBodySize: '1 MB' },
    Admin: {
      ListenAddress: `127.0.0.1:${second}`,
      TLS: {
        Enabled: true,
        Certificate: cert,
        PrivateKey: key,
        RootCAs: [ca],
        ClientAuthRequired: true,
        ClientRootCAs: [ca],
      },
    },
    Operations: { ListenAddress: `127.0.0.1:${operations}`, TLS: { Enabled: false } },
    Metrics: { Provider: 'disabled' },
    Consensus: { WALDir: join(folder, 'wal'), SnapDir: join(folder, 'snap') },
  }
}

function peerConfig(folder: string, builder: string, { name, mspId, home, main, second, operations }: Peer): unknown {
  const [cert, key, ca] = ['server.crt', 'server.key', 'ca.crt'].map(file => ({ file: join(home, 'tls', file) }))
  const address = `127.0.0.1:${main}`
  const data = join(folder, 'data')
  return {
    peer: {
      id: name,
      networkId: 'test',
      listenAddress: address,
      address,
      chaincodeListenAddress: `127.0.0.1:${second}`,
      localMspId: mspId,
      mspConfigPath: join(home, 'msp'),
      localMspType: 'bccsp',
      fileSystemPath: data,
      BCCSP,
      gateway: { enabled: true, endorsementTimeout: '10s', broadcastTimeout: '10s', dialTimeout: '5s' },
      keepalive: {
        interval: '7200s',
        timeout: '20s',
        minInterval: '60s',
        client: { interval: '60s', timeout: '20s' },
        deliveryClient: { interval: '60s', timeout: '20s' },
      },
      gossip: {
        bootstrap: address,
        endpoint: address,
        externalEndpoint: address,
        useLeaderElection: false,
        orgLeader: true,
        membershipTrackerInterval: '1s',
        maxBlockCountToStore: 10,
        maxPropagationBurstLatency: '10ms',
        maxPropagationBurstSize: 10,
        propagateIterations: 1,
        propagatePeerNum: 3,
        pullInterval: '4s',
        pullPeerNum: 3,
        requestStateInfoInterval: '1s',
        publishStateInfoInterval: '1s',
        publishCertPeriod: '10s',
        dialTimeout: '3s',
        connTimeout: '2s',
        recvBuffSize: 20,
        sendBuffSize: 200,
        digestWaitTime: '1s',
        requestWaitTime: '1500ms',
        responseWaitTime: '2s',
        aliveTimeInterval: '1s',
        aliveExpirationTimeout: '5s',
        reconnectInterval: '1s',
        maxConnectionAttempts: 120,
        msgExpirationFactor: 20,
        state: { enabled: false },
        pvtData: {
          pullRetryThreshold: '60s',
          transientstoreMaxBlockRetention: 1000,
          pushAckTimeout: '3s',
          btlPullMargin: 10,
          reconcileBatchSize: 10,
          reconcileSleepInterval: '1m',
          reconciliationEnabled: true,
          implicitCollectionDisseminationPolicy: { requiredPeerCount: 0, maxPeerCount: 1 },
        },
      },
      tls: { enabled: true, clientAuthRequired: false, cert, key, rootcert: ca },
      authentication: { timewindow: '15m' },
      client: { connTimeout: '3s' },
      deliveryclient: {
        blockGossipEnabled: false,
        reconnectTotalTimeThreshold: '3600s',
        connTimeout: '3s',
        reConnectBackoffThreshold: '2s',
      },
      handlers: {
        authFilters: [{ name: 'DefaultAuth' }, { name: 'ExpirationCheck' }],
        decorators: [{ name: 'DefaultDecorator' }],
        endorsers: { escc: { name: 'DefaultEndorsement' } },
        validators: { vscc: { name: 'DefaultValidation' } },
      },
      discovery: {
        enabled: true,
        authCacheEnabled: true,
        authCacheMaxSize: 1000,
        authCachePurgeRetentionRatio: 0.75,
        orgMembersAllowedAccess: false,
      },
      limits: { concurrency: { endorserService: 2500, deliverService: 2500, gatewayService: 500 } },
    },
    vm: { endpoint: '' },
    chaincode: {
      externalBuilders: [{ name: 'ccaas', path: builder }],
      installTimeout: '60s',
      startuptimeout: '60s',
      executetimeout: '30s',
      mode: 'net',
      system: { _lifecycle: 'enable', cscc: 'enable', lscc: 'enable', qscc: 'enable' },
      logging: { level: 'info', shim: 'warning' },
    },
    ledger: {
      state: { stateDatabase: 'goleveldb', totalQueryLimit: 100_000 },
      history: { enableHistoryDatabase: true },
      pvtdataStore: {
        collElgProcMaxDbBatchSize: 5000,
        collElgProcDbBatchesInterval: 1000,
        deprioritizedDataReconcilerInterval: '60m',
        purgeInterval: 100,
      },
      snapshots: { rootDir: join(data, 'snapshots') },
    },
    operations: { listenAddress: `127.0.0.1:${operations}`, tls: { enabled: false } },
    metrics: { provider: 'disabled' },
  }
}

/** An external builder for chaincode as a service: what Fabric's images bring along, in place of docker. */
function writeBuilder(folder: string): void {
  mkdirSync(join(folder, 'bin'), { recursive: true })
  const scripts = {
    detect: `grep -q '"type" *: *"ccaas"' "$2/metadata.json"`,
    build: 'cp "$1/connection.json" "$3/"',
    release: 'mkdir -p "$2/chaincode/server" && cp "$1/connection.json" "$2/chaincode/server/"',
  }
  for (const [name, script] of Object.entries(scripts)) {
    const file = join(folder, 'bin', name)
    writeFileSync(file, `#!/bin/sh\n${script}\n`)
    chmodSync(file, 0o755)
  }
}

function createNode(log: string, port: number, command: string, args: string[], env: NodeJS.ProcessEnv): FabricNode {
  let child: ChildProcess | undefined
  let exited: Promise<void> = Promise.resolve()
  return {
    endpoint: `127.0.0.1:${port}`,
    log,
    async start() {
      const output = openSync(log, 'a')
      const started = spawn(command, args, { stdio: ['ignore', output, output], env })
      closeSync(output)
      child = started
      exited = new Promise(resolve => started.once('exit', () => resolve()))
      await Promise.race([isOpen(port), exited])
      if (started.exitCode !== null)
        throw new Error(`${command} ended with ${started.exitCode}: ${readFileSync(log, 'utf8').slice(-2000)}`)
    },
    async stop(signal = 'SIGTERM') {
      child?.kill(signal)
      await exited
    },
  }
}

const isOpen = (port: number) =>
  until(30_000, () => {
    const socket = connect(port, '127.0.0.1')
    return new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject)).finally(() =>
      socket.destroy(),
    )
  })

async function until<T>(milliseconds: number, attempt: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + milliseconds; ; await sleep(100)) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

function onlyFile(folder: string, ending = ''): string {
  const [file] = readdirSync(folder).filter(name => name.endsWith(ending))
  if (file === undefined) throw new Error(`${folder} is empty`)
  return join(folder, file)
}
