// A Hyperledger Fabric network on this machine: two organisations with two peers and one, orderers (Raft, or BFT from Fabric 3 on), one
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
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createChaincodePackage } from '../../packages/entente/ledger/fabric/package.ts'
import { freePort } from './mongod.ts'
import { end, own } from './processes.ts'

const run = promisify(execFile)
const CHANNEL = 'notary'
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
  readonly peers: readonly FabricNode[]
  readonly chaincode: FabricNode
  /** Files of the first user, and of the CA of the peers' TLS certificates. */
  readonly cert: string
  readonly key: string
  readonly tlsCert: string
  readonly users: readonly { readonly cert: string; readonly key: string }[]
}
/** Of each organisation so many users; the same chaincode under so many names, each with a state of its own. */
export interface FabricSize {
  readonly users?: number
  readonly chaincodes?: readonly [string, ...string[]]
}
export interface FabricNetwork {
  readonly version: string
  readonly fabricChannel: string
  /** The first one's name. */
  readonly chaincode: string
  readonly packageIds: readonly string[]
  readonly organizations: readonly FabricOrganization[]
  readonly orderers: readonly FabricNode[]
  /** Ends a peer, deletes all that it has, and lets it join the channel again. */
  wipe(organization: number, peer: number): Promise<void>
  stop(): Promise<void>
}

export type Consensus = 'etcdraft' | 'BFT'

/** Starts a network with everything that it writes in `folder`. */
export async function startFabric(
  bin: string,
  folder: string,
  consensus: Consensus,
  { users = 1, chaincodes = ['entente'] }: FabricSize = {},
): Promise<FabricNetwork> {
  const nodes: FabricNode[] = []
  const end = async () => {
    await Promise.all(nodes.map(node => node.stop('SIGKILL')))
  }
  try {
    return await start(bin, folder, consensus, { users, chaincodes }, nodes, end)
  } catch (error) {
    await end()
    throw error
  }
}

async function start(
  bin: string,
  folder: string,
  consensus: Consensus,
  { users, chaincodes }: Required<FabricSize>,
  nodes: FabricNode[],
  end: () => Promise<void>,
): Promise<FabricNetwork> {
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value)) // JSON is YAML
  /** A program of Fabric with its configuration in a folder of its own. */
  const addNode = (name: string, port: number, command: string, args: string[], env: NodeJS.ProcessEnv) => {
    const node = createNode(join(folder, `${name}.log`), port, command, args, { ...process.env, ...env })
    nodes.push(node)
    return node
  }
  const fabric = (program: string, args: string[], env: NodeJS.ProcessEnv = {}) =>
    run(join(bin, program), args, { env: { ...process.env, ...env } })

  const crypto = join(folder, 'crypto')
  const ordererNames = Array.from({ length: consensus === 'BFT' ? 4 : 3 }, (_, n) => `o${n + 1}`)
  write('crypto.yaml', cryptoConfig(ordererNames, users))
  await fabric('cryptogen', ['generate', '--config', join(folder, 'crypto.yaml'), '--output', crypto])
  const orderers: Orderer[] = []
  for (const name of ordererNames) {
    const home = join(crypto, `ordererOrganizations/orderer.local/orderers/${name}.orderer.local`)
    orderers.push({ name, home, ...(await ports()) })
  }
  const organizations: Organization[] = []
  for (const [n, count] of PEERS) {
    const home = join(crypto, `peerOrganizations/org${n}.local`)
    const peers: Peer[] = []
    for (let k = 0; k < count; k++)
      peers.push({
        name: `org${n}-peer${k}`,
        mspId: `Org${n}MSP`,
        home: join(home, `peers/peer${k}.org${n}.local`),
        ...(await ports()),
      })
    organizations.push({ name: `org${n}`, mspId: `Org${n}MSP`, home, peers, service: await freePort() })
  }

  write('configtx.yaml', channelConfig(consensus, crypto, orderers, organizations))
  const block = join(folder, 'genesis.block')
  await fabric('configtxgen', ['-profile', 'Net', '-channelID', CHANNEL, '-outputBlock', block], {
    FABRIC_CFG_PATH: folder,
  })
  const builder = join(folder, 'builder')
  writeBuilder(builder)
  const starting = <T extends Orderer>(node: T, program: string, args: string[], file: string, config: unknown) => {
    mkdirSync(join(folder, node.name))
    write(join(node.name, file), config)
    const env = { FABRIC_CFG_PATH: join(folder, node.name), FABRIC_LOGGING_SPEC: 'info' }
    return addNode(node.name, node.main, join(bin, program), args, env)
  }
  const startedOrderers = orderers.map(o =>
    starting(o, 'orderer', [], 'orderer.yaml', ordererConfig(join(folder, o.name), o)),
  )
  const startedPeers = organizations.map(({ peers }) =>
    peers.map(p =>
      starting(p, 'peer', ['node', 'start'], 'core.yaml', peerConfig(join(folder, p.name), builder, p, peers[0]!)),
    ),
  )
  await Promise.all([...startedOrderers, ...startedPeers.flat()].map(node => node.start()))

  const tls = join(orderers[0]!.home, 'tls')
  const [ca, cert, key] = ['ca.crt', 'server.crt', 'server.key'].map(name => join(tls, name)) as [
    string,
    string,
    string,
  ]
  for (const { second } of orderers) {
    await isOpen(second)
    const channel = ['channel', 'join', '--channelID', CHANNEL, '--config-block', block, '-o', `127.0.0.1:${second}`]
    await fabric('osnadmin', [...channel, '--ca-file', ca, '--client-cert', cert, '--client-key', key])
  }
  /** The command of an organisation's administrator, at one of its peers. */
  const asAdmin = ({ name, home }: Organization, { name: peer }: Peer, ...args: string[]) =>
    fabric('peer', args, {
      FABRIC_CFG_PATH: join(folder, peer),
      CORE_PEER_MSPCONFIGPATH: join(home, 'users', `Admin@${name}.local`, 'msp'),
      FABRIC_LOGGING_SPEC: 'error',
    })
  for (const org of organizations) for (const p of org.peers) await asAdmin(org, p, 'channel', 'join', '-b', block)

  const definitions = chaincodes.map(name => [
    '--channelID',
    CHANNEL,
    '--name',
    name,
    '--version',
    '1',
    '--sequence',
    '1',
  ])
  const policy = ['--signature-policy', "AND('Org1MSP.peer','Org2MSP.peer')"]
  const ordering = ['-o', `127.0.0.1:${orderers[0]!.main}`, '--tls', '--cafile', ca]
  const chaincode = ['lifecycle', 'chaincode']
  const packageIds: string[] = []
  const services: FabricNode[] = []
  for (const org of organizations) {
    const tlsFolder = join(org.peers[0]!.home, 'tls')
    const rootCert = org === organizations[1] ? readFileSync(join(tlsFolder, 'ca.crt'), 'utf8') : undefined // one of them with TLS
    const address = `127.0.0.1:${org.service}`
    const { bytes, id } = createChaincodePackage('entente_1', {
      address,
      ...(rootCert === undefined ? {} : { rootCert }),
    })
    const file = join(folder, `${org.name}.tar.gz`)
    writeFileSync(file, bytes)
    for (const p of org.peers) {
      await asAdmin(org, p, ...chaincode, 'install', file)
      const { stdout } = await asAdmin(org, p, ...chaincode, 'queryinstalled')
      if (!stdout.includes(id)) throw new Error(`Fabric calls the package otherwise than ${id}: ${stdout}`)
    }
    packageIds.push(id)
    const [CHAINCODE_TLS_CERT, CHAINCODE_TLS_KEY] = ['server.crt', 'server.key'].map(name => join(tlsFolder, name))
    const env = {
      CHAINCODE_SERVER_ADDRESS: address,
      CHAINCODE_ID: id,
      ...(rootCert === undefined ? {} : { CHAINCODE_TLS_CERT, CHAINCODE_TLS_KEY }),
    }
    const service = addNode(`chaincode-${org.name}`, org.service, process.execPath, [server], env)
    await service.start()
    services.push(service)
    for (const definition of definitions) {
      const approve = ['approveformyorg', ...definition, ...policy, '--package-id', id, ...ordering]
      // Raft needs a leader first
      await until(90_000, () => asAdmin(org, org.peers[0]!, ...chaincode, ...approve))
    }
  }
  const endorsers = organizations.flatMap(({ peers: [p] }) => [
    '--peerAddresses',
    `127.0.0.1:${p!.main}`,
    '--tlsRootCertFiles',
    join(p!.home, 'tls/ca.crt'),
  ])
  const [first] = organizations as [Organization]
  for (const definition of definitions)
    await asAdmin(first, first.peers[0]!, ...chaincode, 'commit', ...definition, ...policy, ...ordering, ...endorsers)
  // Until a peer has met one of the other organisation, its gateway finds nobody to endorse with
  const foreign = startedPeers.flatMap((peers, n) =>
    peers.map(({ log }) => ({
      log,
      ports: organizations.filter((_, k) => k !== n).flatMap(o => o.peers.map(p => p.main)),
    })),
  )
  for (const { log, ports: others } of foreign)
    await until(60_000, async () => {
      const met =
        readFileSync(log, 'utf8')
          .match(/peers went online: .*/g)
          ?.join() ?? ''
      if (!others.some(port => met.includes(`:${port}`))) throw new Error(`${log}: no peer of another organisation`)
    })

  const { stdout: version } = await fabric('peer', ['version'])
  return {
    version: /Version: (\S+)/.exec(version)?.[1] ?? '',
    fabricChannel: CHANNEL,
    chaincode: chaincodes[0],
    packageIds,
    orderers: startedOrderers,
    async wipe(n, k) {
      const org = organizations[n]!
      const p = org.peers[k]!
      await startedPeers[n]![k]!.stop('SIGKILL')
      rmSync(join(folder, p.name, 'data'), { recursive: true })
      await startedPeers[n]![k]!.start()
      await asAdmin(org, p, 'channel', 'join', '-b', block)
      await asAdmin(org, p, ...chaincode, 'install', join(folder, `${org.name}.tar.gz`))
    },
    organizations: organizations.map(({ name, mspId, home, peers }, n) => {
      const found = Array.from({ length: users }, (_, k) => {
        const user = join(home, 'users', `User${k + 1}@${name}.local`, 'msp')
        return { cert: onlyFile(join(user, 'signcerts')), key: onlyFile(join(user, 'keystore')) }
      })
      return {
        mspId,
        peers: startedPeers[n]!,
        chaincode: services[n]!,
        ...found[0]!,
        tlsCert: join(peers[0]!.home, 'tls/ca.crt'),
        users: found,
      }
    }),
    stop: end,
  }
}

/** Organisations and how many peers each has: of the first, one may be away. */
const PEERS = [
  [1, 2],
  [2, 1],
] as const

type Orderer = { name: string; home: string; main: number; second: number; operations: number }
type Peer = Orderer & { mspId: string }
type Organization = { name: string; mspId: string; home: string; peers: Peer[]; service: number }

const ports = async () => ({ main: await freePort(), second: await freePort(), operations: await freePort() })

function cryptoConfig(orderers: readonly string[], users: number): unknown {
  const hosts = { SANS: ['localhost', '127.0.0.1'] }
  const common = { EnableNodeOUs: true }
  const Specs = orderers.map(Hostname => ({ Hostname, ...hosts }))
  return {
    OrdererOrgs: [{ Name: 'Orderer', Domain: 'orderer.local', ...common, Specs }],
    PeerOrgs: PEERS.map(([n, Count]) => ({
      Name: `Org${n}`,
      Domain: `org${n}.local`,
      ...common,
      Template: { Count, ...hosts },
      Users: { Count: users },
    })),
  }
}

function channelConfig(
  consensus: Consensus,
  crypto: string,
  orderers: readonly Orderer[],
  organizations: readonly Organization[],
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
          Organizations: organizations.map(({ mspId, home, peers: [anchor] }) => ({
            Name: mspId,
            ID: mspId,
            MSPDir: join(home, 'msp'),
            Policies: ofMembers(mspId),
            AnchorPeers: [{ Host: '127.0.0.1', Port: anchor!.main }],
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

function peerConfig(folder: string, builder: string, own: Peer, bootstrap: Peer): unknown {
  const { name, mspId, home, main, second, operations } = own
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
        bootstrap: `127.0.0.1:${bootstrap.main}`,
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
  return {
    endpoint: `127.0.0.1:${port}`,
    log,
    async start() {
      const output = openSync(log, 'a')
      const started = spawn(command, args, { stdio: ['ignore', output, output], env })
      closeSync(output)
      child = own(started)
      const exited = new Promise<void>(resolve => started.once('exit', () => resolve()))
      await Promise.race([isOpen(port), exited])
      if (started.exitCode !== null)
        throw new Error(`${command} ended with ${started.exitCode}: ${readFileSync(log, 'utf8').slice(-2000)}`)
    },
    async stop(signal = 'SIGTERM') {
      if (child) await end(child, signal)
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
