// The port's suites on a double of a gateway peer (test/double.ts), which is not Fabric; network.test.ts runs them on Fabric.
import { type AnchorSubject, anchorConformance } from '../conformance/anchor.ts'
import { recordsConformance } from '../conformance/records.ts'
import { openFabricAnchor } from './anchor.ts'
import { type FabricDouble, startDouble } from './test/double.ts'
import { createFaults } from './test/faults.ts'
import { clientOf } from './test/client.ts'

async function subject(): Promise<AnchorSubject> {
  const double = await startDouble()
  const faults = createFaults()
  const anchor = await openFabricAnchor({ ...clientOf(double), timeoutMs: 800, interceptors: [faults.interceptor] })
  const opened = [anchor]
  return {
    anchor,
    fault: (kind, outage) => faults.fault(kind, outage),
    heal: faults.heal,
    async reopen() {
      const again = await openFabricAnchor(clientOf(double))
      opened.push(again)
      return again
    },
    countAnchors: async size => anchorsOf(double, size),
    async dispose() {
      for (const each of opened) await each.close()
      await double.stop()
    },
  }
}

/** Valid transactions that wrote this size: counted in the blocks. */
const anchorsOf = (double: FabricDouble, size: number): number =>
  double.writes().filter(key => key.startsWith('root/') && key.endsWith(`/${size}`)).length

anchorConformance('Fabric, a double of its gateway', subject)

recordsConformance('Fabric, a double of its gateway', async t => {
  const double = await startDouble()
  t.after(() => double.stop())
  return {
    async open() {
      const anchor = await openFabricAnchor({ ...clientOf(double), records: true })
      t.after(() => anchor.close())
      return anchor.records!
    },
    count: async id => double.writes().filter(key => key.includes(`/${Buffer.from(id).toString('hex')}/`)).length,
  }
})
