import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { CliError } from '../errors.ts'

/**
 * An identity of Fabric: a private key that nobody else may read, and its certificate, which lies beside it as `.crt` where it is not named.
 *
 * @returns both in one text (JSON)
 * @throws CliError `usage` where one of them is missing, is no PEM, or they do not belong together
 */
export function readIdentity(
  keyFile: string,
  certFile: string = `${keyFile.endsWith('.key') ? keyFile.slice(0, -4) : keyFile}.crt`,
): string {
  const [key, cert] = [read(keyFile, 'the private key', true), read(certFile, 'the certificate')]
  let fits: boolean
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch (cause) {
    throw new CliError(
      'usage',
      `${certFile} and ${keyFile} are no certificate and private key in PEM: ${(cause as Error).message}`,
      { cause },
    )
  }
  if (!fits) throw new CliError('usage', `${keyFile} is not the private key of the certificate ${certFile}`)
  return JSON.stringify({ cert, key })
}

/** What {@link readIdentity} has put together. */
export const splitIdentity = (text: string): { cert: string; key: string } => JSON.parse(text)

/** @throws CliError `usage` that says what the file should be */
export function read(file: string, what: string, isSecret = false): string {
  try {
    if (isSecret && process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
      throw new Error(`it can be read by others: chmod 600 ${file}`)
    return readFileSync(file, 'latin1')
  } catch (cause) {
    throw new CliError(
      'usage',
      `${what} ${file} of an identity of Fabric: ${(cause as Error).message}; the CA of its organisation issues both (docs/federation.md, "A country on Fabric")`,
      { cause },
    )
  }
}
