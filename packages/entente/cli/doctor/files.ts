import { resolve } from 'node:path'
import type { Config, Paths } from '../config.ts'

/** A file that the configuration names, or that a server keeps. */
export type NamedFile = {
  /** Where it stands in the configuration, or what it is. */
  what: string
  path: string
  isSecret: boolean
  /** Made by a server that misses it. */
  isMade: boolean
}

export function namedFiles(config: Config, paths: Paths): NamedFile[] {
  const files: NamedFile[] = []
  const add = (what: string, file: string | undefined, isSecret: boolean) => {
    if (file !== undefined) files.push({ what, path: resolve(paths.base, file), isSecret, isMade: false })
  }
  const addTls = (what: string, tls: { ca?: string; cert?: string; key?: string } | undefined) => {
    add(`${what}.ca`, tls?.ca, false)
    add(`${what}.cert`, tls?.cert, false)
    add(`${what}.key`, tls?.key, true)
  }
  const { server, store, channels, auth, witness } = config
  addTls('server.tls', server.tls)
  add('server.tls.clientCa', server.tls?.clientCa, false)
  add('store.urlFile', store.urlFile, true)
  addTls('store.tls', store.tls)
  add('channels.urlFile', channels.urlFile, true)
  add('channels.sasl.passwordFile', channels.sasl?.passwordFile, true)
  addTls('channels.tls', channels.tls)
  add('auth.clientSecretFile', auth.clientSecretFile, true)
  add('auth.caFile', auth.caFile, false)
  for (const ledger of config.ledgers) {
    const at = `ledger "${ledger.id}": `
    if (ledger.kind === 'evm') {
      add(`${at}keyFile`, ledger.keyFile, true)
      if (ledger.account && 'keystore' in ledger.account) {
        add(`${at}account.keystore`, ledger.account.keystore, true)
        add(`${at}account.passwordFile`, ledger.account.passwordFile, true)
      }
    } else if (ledger.kind === 'bitcoin') {
      add(`${at}keyFile`, ledger.keyFile, true)
      add(`${at}userFile`, ledger.userFile, true)
    } else if (ledger.kind === 'fabric') {
      add(`${at}tlsCert`, ledger.tlsCert, false)
      add(`${at}cert`, ledger.cert, false)
      add(`${at}key`, ledger.key, true)
    }
  }
  add('witness.keyFile', witness?.keyFile, true)
  const own: [string, string][] = [
    ["the log's key", paths.logKey],
    ['the key of erased tags', paths.erasedKey],
    ['the keys of records', paths.recordKeys],
    ['who was sent what', paths.sent],
    ['who read what', paths.reads],
    ['the users', paths.users],
    ["the admin's password", paths.adminPassword],
    ...(store.kind === 'sqlite' ? [['the store', paths.store] as [string, string]] : []),
  ]
  for (const [what, path] of own) files.push({ what, path, isSecret: true, isMade: true })
  return files
}
