// Holds the imports against the arrows of the design: which room may know which (docs/architecture.md).
import { readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { root, sources } from './files.ts'

/** Room -> rooms it may import. A room may always import itself. */
const ARROWS: Record<string, string[]> = {
  'verify/sha256': [],
  'verify/ed25519': [],
  'verify/json': [],
  'verify/tlog': ['verify/sha256', 'verify/ed25519'],
  'verify/proof': ['verify/sha256', 'verify/json', 'verify/tlog'],
  'verify/cose': ['verify/sha256', 'verify/ed25519', 'verify/tlog', 'verify/proof'],
  stix: [],
  rules: ['verify/sha256'],
  client: ['verify/json', 'verify/tlog', 'verify/proof'],
  chaincode: ['verify/tlog', 'rules'],
  'entente/store': [],
  'entente/ledger': ['verify/tlog', 'verify/proof', 'rules'],
  'entente/channel': [],
  'entente/notary': [
    'entente/store',
    'entente/ledger',
    'entente/channel',
    'verify/json',
    'verify/tlog',
    'verify/proof',
    'stix',
  ],
  'entente/taxii': [
    'entente/store',
    'entente/notary',
    'entente/channel',
    'verify/json',
    'verify/tlog',
    'verify/proof',
    'verify/cose',
    'stix',
  ],
  'entente/witness': ['verify/tlog'],
  'entente/product': ['stix', 'verify/json', 'verify/sha256'],
  'entente/registry': ['entente/ledger', 'entente/product', 'rules', 'stix', 'verify/json', 'verify/proof'],
  'entente/cluster': ['entente/store', 'entente/notary'],
  'entente/cli': [
    'entente/store',
    'entente/witness',
    'entente/cluster',
    'entente/ledger',
    'entente/channel',
    'entente/notary',
    'entente/taxii',
    'entente/product',
    'entente/registry',
    'rules',
    'verify/json',
    'verify/tlog',
    'verify/proof',
    'verify/cose',
    'stix',
    'client',
  ],
}
/** What of a port's room the rooms before `cli` may import: the port, never an adapter. */
const PORTS = new Set([
  'packages/entente/store/store.ts',
  'packages/entente/store/lease.ts',
  'packages/entente/store/reads.ts',
  'packages/entente/ledger/anchor.ts',
  'packages/entente/ledger/chain.ts',
  'packages/entente/ledger/error.ts',
  'packages/entente/ledger/records.ts',
  'packages/entente/ledger/rule-chain.ts',
  'packages/entente/channel/channel.ts',
  'packages/entente/channel/stream.ts',
  'packages/entente/channel/error.ts',
])
/** Rooms of ports and their adapters. */
const ADAPTED = new Set(['entente/store', 'entente/ledger', 'entente/channel'])
/** Packages that only one place may load. */
const DRIVERS: Record<string, string> = {
  viem: 'entente/ledger',
  '@scure/btc-signer': 'entente/ledger',
  '@hyperledger/fabric-gateway': 'entente/ledger',
  '@hyperledger/fabric-protos': 'entente/ledger',
  '@grpc/grpc-js': 'entente/ledger',
  amqplib: 'entente/channel',
  '@platformatic/kafka': 'entente/channel',
  mongodb: 'entente/store',
  'fabric-shim': 'chaincode',
  'node:sqlite': '',
  fastify: '',
}

const roomOf = (file: string): string | undefined => {
  const [top, name, room] = relative(root, file).split(sep)
  if (top === 'chaincode') return top
  if (top !== 'packages' || name === undefined) return undefined
  return name === 'verify' || name === 'entente' ? `${name}/${room}` : name
}

function resolve(specifier: string, from: string): string | undefined {
  if (specifier.startsWith('.')) return join(dirname(from), specifier)
  if (specifier.startsWith('@entente/')) {
    const [, name = '', room] = specifier.split('/')
    return join(root, 'packages', name, room ?? '', 'index.ts')
  }
  if (!specifier.startsWith('#')) return undefined
  const packageRoot = relative(root, from).split(sep).slice(0, 2).join('/')
  if (specifier === '#sha256' || specifier === '#ed25519') return join(root, packageRoot, specifier.slice(1), 'node.ts')
  return join(root, packageRoot, specifier.slice(1))
}

const broken: string[] = []
for (const file of ['packages', 'chaincode'].flatMap(sources)) {
  const room = roomOf(file)
  if (room === undefined || file.endsWith('.test.ts') || file.includes(`${sep}test${sep}`)) continue
  const allowed = ARROWS[room]
  const at = relative(root, file)
  if (!allowed) {
    broken.push(`${at}: the room ${room} is not in tools/arrows.ts`)
    continue
  }
  for (const [, specifier = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    const target = resolve(specifier, file)
    if (target === undefined) {
      const owner = DRIVERS[specifier]
      if (owner !== undefined && owner !== '' && room !== owner) broken.push(`${at}: ${specifier} is for ${owner}`)
      continue
    }
    const to = target.endsWith('.json') ? undefined : roomOf(target)
    if (to === undefined || to === room) continue
    const name = relative(root, target)
    if (!allowed.includes(to)) broken.push(`${at}: ${room} must not import ${to} (${specifier})`)
    else if (ADAPTED.has(to) && room !== 'entente/cli' && !PORTS.has(name))
      broken.push(`${at}: ${name} is an adapter: only cli/ may import it`)
  }
}
for (const line of broken) console.error(line)
process.exitCode = broken.length > 0 ? 1 : 0
