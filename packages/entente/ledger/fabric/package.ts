import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'

/** Where peers find the chaincode, and how they talk to it (`connection.json` of Fabric's chaincode as a service). */
export interface ChaincodeService {
  /** HOST:PORT as a peer reaches it. */
  readonly address: string
  /** PEM of the CA of the service's certificate; without it peers talk to it in the clear. */
  readonly rootCert?: string
}

export interface ChaincodePackage {
  /** The file that `peer lifecycle chaincode install` takes. */
  readonly bytes: Uint8Array
  /** What Fabric calls it, and the service has to know as its CHAINCODE_ID: label, colon, SHA-256 of the file. */
  readonly id: string
}

/**
 * A package that Fabric's external builder "ccaas" takes: metadata and, in an inner archive, where the service is. The code itself is not in it;
 * it runs where the address says. The same input gives the same bytes, so organisations can compare ids.
 */
export function createChaincodePackage(label: string, { address, rootCert }: ChaincodeService): ChaincodePackage {
  const connection = {
    address,
    dial_timeout: '10s',
    tls_required: rootCert !== undefined,
    ...(rootCert === undefined ? {} : { root_cert: rootCert }),
  }
  const code = gzip(tar([['connection.json', json(connection)]]))
  const bytes = gzip(
    tar([
      ['metadata.json', json({ type: 'ccaas', label })],
      ['code.tar.gz', code],
    ]),
  )
  return { bytes, id: `${label}:${createHash('sha256').update(bytes).digest('hex')}` }
}

const json = (value: unknown) => Buffer.from(`${JSON.stringify(value)}\n`)

/** Stored, not compressed: what a compressor makes of the same bytes differs between its versions and machines. */
function gzip(bytes: Uint8Array): Uint8Array {
  const zipped = gzipSync(bytes, { level: 0 })
  zipped[9] = 0xff // RFC 1952 section 2.3: the operating system, here "unknown"
  return zipped
}

const BLOCK = 512

/** A tar archive (POSIX.1-1988 ustar) of plain files, without owners and times. */
function tar(files: readonly (readonly [name: string, bytes: Uint8Array])[]): Uint8Array {
  const parts = files.flatMap(([name, bytes]) => [
    header(name, bytes.length),
    bytes,
    Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
  ])
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}

function header(name: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1')
  block.write(name, 0, 'latin1')
  octal(0o644, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  block.write('0', 156, 'latin1') // a plain file
  block.write('ustar\x0000', 257, 'latin1')
  // The checksum counts its own field as spaces
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}
