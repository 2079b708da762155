// Runs the chaincode as a service: peers connect to it (docs/fabric.md).
//   CHAINCODE_SERVER_ADDRESS=0.0.0.0:9999 CHAINCODE_ID=entente:… node chaincode/server.ts
// TLS: CHAINCODE_TLS_CERT and CHAINCODE_TLS_KEY; CHAINCODE_TLS_CLIENT_CA asks peers for certificates of that CA.
import { readFileSync } from 'node:fs'
import shim, { type ChaincodeServerOpts } from 'fabric-shim'
import { createChaincode } from './chaincode.ts'

const setting = (name: string): string => {
  const value = process.env[name]
  if (value) return value
  console.error(`${name} is not set: see "entente ledger package fabric --help"`)
  process.exit(2)
}
const file = (name: string): Buffer | undefined => {
  const path = process.env[name]
  return path ? readFileSync(path) : undefined
}

const address = setting('CHAINCODE_SERVER_ADDRESS')
const ccid = setting('CHAINCODE_ID')
const cert = file('CHAINCODE_TLS_CERT')
const tlsProps = cert && {
  cert,
  key: readFileSync(setting('CHAINCODE_TLS_KEY')),
  clientCACerts: file('CHAINCODE_TLS_CLIENT_CA'),
}
// The types ask for TLS, the library does not
const options = { address, ccid, ...(tlsProps ? { tlsProps } : {}) } as ChaincodeServerOpts
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0)) // nothing is in memory
await shim.Shim.server(createChaincode(Date.now), options).start()
console.log(`chaincode ${ccid} listens on ${address}${tlsProps ? ' with TLS' : ''}`)
