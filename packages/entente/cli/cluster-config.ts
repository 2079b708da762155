import Type from 'typebox'
import type { Config } from './config.ts'
import { CliError } from './errors.ts'

const ADDRESS = '^(\\[[0-9a-fA-F:.]{2,45}\\]|[A-Za-z0-9._-]{1,253}):\\d{1,5}$'

/** Where several servers serve one log from one database (docs/operating.md, "Many servers"). */
export const ClusterSchema = Type.Object(
  {
    listen: Type.String({ pattern: ADDRESS, description: 'Host and port for the other servers of this log' }),
    address: Type.Optional(
      Type.String({
        pattern: ADDRESS,
        description: 'Host and port by which they reach it; as listen where it is left out',
      }),
    ),
  },
  { additionalProperties: false },
)

/** @throws CliError `usage` */
export function checkCluster({ cluster, store, ledgers, apiRoots }: Config): void {
  if (!cluster) return
  if (store.kind !== 'mongodb')
    throw new CliError(
      'usage',
      'cluster is for servers that share a database: set store.kind to mongodb, or leave cluster out',
    )
  const embedded = ledgers.find(l => l.kind === 'embedded')
  if (embedded)
    throw new CliError(
      'usage',
      `the ledger "${embedded.id}" is embedded: it lies in the data folder of one server, and the others could neither anchor there nor compare with it. Name ledgers that every server reaches, or ledgers: []`,
    )
  const recorded = apiRoots.flatMap(r => r.collections).find(c => c.record === 'full')
  if (recorded)
    throw new CliError(
      'usage',
      `record of the collection "${recorded.title}" is full: the keys of its records lie in the data folder of one server, and erasing on another would not destroy them. Leave cluster out, or record`,
    )
  if (cluster.address === undefined && /^(0\.0\.0\.0|\[::\]):/.test(cluster.listen))
    throw new CliError(
      'usage',
      `cluster.listen is ${cluster.listen}, which no other server can connect to: set cluster.address`,
    )
}

/** A host and a port, as Node takes them. */
export function toHostPort(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) }
}
