import { readFileSync, statSync } from 'node:fs'
import type { Server } from 'node:https'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Config, Paths } from './config.ts'
import { CliError } from './errors.ts'
import type { Logger } from './serve.ts'

/** How often the files are looked at; SIGHUP has them looked at now. */
const LOOK_MS = 60_000

export type Certificates = { options: TlsOptions; follow(server: Server, log: Logger): () => void }
type TlsOptions = { cert: Buffer; key: Buffer; ca?: Buffer; requestCert?: boolean }

/**
 * The certificate of a server, its key, and the authorities of its clients. Followed, they are taken over when the files change: new connections
 * get the new ones, those that are open stay. Files that don't fit together change nothing and are reported.
 *
 * @throws CliError `usage` where they can't be read or don't fit together
 */
export function openCertificates(tls: NonNullable<Config['server']['tls']>, paths: Paths): Certificates {
  const files = [tls.cert, tls.key, ...(tls.clientCa === undefined ? [] : [tls.clientCa])].map(f =>
    resolve(paths.base, f),
  )
  const read = (): TlsOptions => {
    const [cert, key, ca] = files.map(f => readFileSync(f)) as [Buffer, Buffer, Buffer | undefined]
    // Without an authority of its own a server would ask nobody: a certificate is asked for and refused only with one (TAXII 2.1 section 8.3.1).
    const options = { cert, key, ...(ca ? { ca, requestCert: true } : {}) }
    createSecureContext(options)
    return options
  }
  const stamp = () => files.map(f => statSync(f).mtimeMs).join()
  let options: TlsOptions
  let taken: string
  try {
    taken = stamp()
    options = read()
  } catch (cause) {
    throw new CliError('usage', `server.tls: ${(cause as Error).message}`, { cause })
  }
  return {
    options,
    follow: (server, log) => {
      const look = () => {
        try {
          const now = stamp()
          if (now === taken) return
          taken = now
          server.setSecureContext(read())
          log('info', 'the certificate was renewed: new connections get it', {})
        } catch (error) {
          log('error', 'the certificate files changed and cannot be used: the ones before hold', {
            error: (error as Error).message,
          })
        }
      }
      const timer = setInterval(look, LOOK_MS).unref()
      process.on('SIGHUP', look)
      return () => {
        clearInterval(timer)
        process.off('SIGHUP', look)
      }
    },
  }
}
