import type { FabricAnchorOptions } from '../anchor.ts'
import type { FabricDouble } from './double.ts'

/** Options of a user of an organisation, the first unless another is named. */
export function clientOf(double: FabricDouble, who = 'user1', organization = 0): FabricAnchorOptions {
  const { mspId, issue } = double.organizations[organization]!
  const { cert, key } = issue('client', who)
  return {
    id: 'fabric',
    origin: 'log.example/fabric',
    endpoints: [double.endpoint],
    mspId,
    cert,
    key: key.pem,
    fabricChannel: double.fabricChannel,
    chaincode: double.chaincode,
    pollMs: 5,
    timeoutMs: 10_000,
  }
}
