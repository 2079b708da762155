import { readFileSync, writeFileSync } from 'node:fs'
import { createChaincodePackage } from '#ledger/fabric/package.ts'
import type { Args } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { print } from '../print.ts'
import { isSet, textOf } from '../values.ts'

/** What Fabric takes as a label (core/chaincode/persistence, LabelRegexp), and what a peer can dial. */
const LABEL = /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$/
const ADDRESS = /^[A-Za-z0-9.[\]:_-]{1,253}:[0-9]{1,5}$/
const DEFAULT_LABEL = 'entente_1'

/** `entente ledger package fabric`: the file that every organisation's administrator installs on its peers. */
export async function run({ values, positionals: [what] }: Args): Promise<number> {
  if (what !== 'fabric') throw new CliError('usage', `"${what ?? ''}" has no package: fabric is known`)
  const address = textOf(values, 'address')
  const label = textOf(values, 'label') ?? DEFAULT_LABEL
  if (address === undefined || !ADDRESS.test(address))
    throw new CliError('usage', 'where do peers find the chaincode? --address HOST:PORT, as they reach it')
  if (!LABEL.test(label)) throw new CliError('usage', `--label ${label}: letters, digits and _ . + - are taken`)
  const file = textOf(values, 'out') ?? `${label}.tar.gz`
  const tlsCa = textOf(values, 'tls-ca')
  const rootCert = tlsCa === undefined ? undefined : readCa(tlsCa)
  const { bytes, id } = createChaincodePackage(label, { address, ...(rootCert === undefined ? {} : { rootCert }) })
  try {
    writeFileSync(file, bytes)
  } catch (cause) {
    throw new CliError('usage', `--out ${file}: ${(cause as Error).message}`, { cause })
  }
  const environment = {
    CHAINCODE_ID: id,
    CHAINCODE_SERVER_ADDRESS: `0.0.0.0:${address.slice(address.lastIndexOf(':') + 1)}`,
    ...(rootCert === undefined ? {} : { CHAINCODE_TLS_CERT: 'cert.pem', CHAINCODE_TLS_KEY: 'key.pem' }),
  }
  const json = { file, package_id: id, label, address, tls: rootCert !== undefined, environment }
  print(isSet(values, 'json'), json, () => [
    `${file}: package ${id}`,
    '',
    'Install it on each peer of the organisation that runs the service:',
    `  peer lifecycle chaincode install ${file}`,
    `Run the service where peers reach it as ${address}:`,
    `  ${Object.entries(environment)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')} node chaincode/server.ts`,
    'Approve it in each organisation, with the package id of its own service, and commit it once:',
    `  peer lifecycle chaincode approveformyorg --package-id ${id} --name entente --version 1 --sequence 1 --signature-policy "AND('Org1MSP.peer','Org2MSP.peer')" --channelID CHANNEL -o ORDERER …`,
    '  peer lifecycle chaincode commit --name entente --version 1 --sequence 1 --signature-policy … --channelID CHANNEL -o ORDERER …',
    'docs/fabric.md goes through all of it.',
  ])
  return EXIT.yes
}

function readCa(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CliError('usage', `--tls-ca ${file}: ${(cause as Error).message}`, { cause })
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new CliError('usage', `--tls-ca ${file} holds no certificate in PEM`)
  return text
}
