// The adapter on a real Fabric network (test/support/fabric.ts); skipped where there are no binaries.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Consensus, type FabricNetwork, findFabric, startFabric } from '../../../../test/support/fabric.ts'
import { type AnchorSubject, anchorConformance } from '../conformance/anchor.ts'
import { type FabricAnchorOptions, openFabricAnchor } from './anchor.ts'
import { createFaults } from './test/faults.ts'

const consensus = (process.env['ENTENTE_TEST_FABRIC_CONSENSUS'] ?? 'etcdraft') as Consensus
const found = findFabric()
const folder = mkdtempSync(join(tmpdir(), 'entente-fabric-'))
let started: Promise<FabricNetwork> | undefined
after(async () => {
  await (await started?.catch(() => undefined))?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const network = async (): Promise<FabricNetwork | string> => {
  if ('reason' in found) return found.reason
  return (started ??= startFabric(found.bin, folder, consensus))
}

const optionsOf = ({ organizations, fabricChannel, chaincode }: FabricNetwork): Omit<FabricAnchorOptions, 'origin'> => {
  const [own] = organizations
  const text = (file: string) => readFileSync(file, 'utf8')
  return {
    id: 'fabric',
    endpoints: organizations.flatMap(({ peers }) =>
      peers.map(({ endpoint }) => endpoint.replace('127.0.0.1', 'localhost')),
    ),
    tlsCert: organizations.map(({ tlsCert }) => text(tlsCert)).join(''),
    mspId: own!.mspId,
    cert: text(own!.cert),
    key: text(own!.key),
    fabricChannel,
    chaincode,
    pollMs: 50,
  }
}

let logs = 0
async function subject(): Promise<AnchorSubject | string> {
  const net = await network()
  if (typeof net === 'string') return net
  const faults = createFaults()
  const options = { ...optionsOf(net), origin: `log.example/${logs++}` }
  const anchor = await openFabricAnchor({ ...options, timeoutMs: 3000, interceptors: [faults.interceptor] })
  const opened = [anchor]
  const open = async () => {
    const again = await openFabricAnchor(options)
    opened.push(again)
    return again
  }
  const bystander = await open()
  return {
    anchor,
    fault: (kind, outage) => faults.fault(kind, outage),
    heal: faults.heal,
    reopen: open,
    countAnchors: async size => ((await bystander.find(size)) === undefined ? 0 : 1),
    async dispose() {
      for (const each of opened) await each.close()
    },
  }
}

anchorConformance(`Hyperledger Fabric (${consensus})`, subject)

test('what network it was', async t => {
  const net = await network()
  if (typeof net === 'string') return t.skip(net)
  assert.ok(net.version.startsWith('v'))
  t.diagnostic(
    `Fabric ${net.version}, ${consensus}, ${net.orderers.length} orderers, packages ${net.packageIds.join(' ')}`,
  )
})
