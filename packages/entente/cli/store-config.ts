import Type from 'typebox'
import type { Config } from './config.ts'
import { CliError } from './errors.ts'

const strict = { additionalProperties: false }

/** Where the records are. */
export const StoreSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal('sqlite'), Type.Literal('mongodb')], {
      default: 'sqlite',
      description: 'sqlite: in the file store.db of the data folder',
    }),
    url: Type.Optional(
      Type.String({ pattern: '^mongodb(\\+srv)?://', description: 'Of a replica set. With a password rather urlFile' }),
    ),
    urlFile: Type.Optional(Type.String({ minLength: 1, description: 'A file whose first line is the URL' })),
    database: Type.String({ pattern: '^[A-Za-z0-9_-]{1,38}$', default: 'entente' }),
    tls: Type.Optional(
      Type.Object(
        {
          ca: Type.Optional(Type.String({ description: 'PEM file' })),
          cert: Type.Optional(Type.String()),
          key: Type.Optional(Type.String()),
        },
        strict,
      ),
    ),
  },
  { ...strict, default: {} },
)

/** A text of this size and of the largest that is packed fit into a document of 16 MiB (store/mongodb/rows.ts). */
const MOST_CONTENT = 12 * 1024 * 1024

/** @throws CliError `usage` */
export function checkStore({ store, server }: Pick<Config, 'store' | 'server'>): void {
  const { kind, url, urlFile, tls } = store
  if (kind === 'sqlite') {
    if (url !== undefined || urlFile !== undefined || tls !== undefined)
      throw new CliError('usage', 'store.url, urlFile and tls are for store.kind mongodb: a SQLite store is a file')
    return
  }
  if ((url === undefined) === (urlFile === undefined))
    throw new CliError('usage', 'store.kind mongodb needs either store.url or store.urlFile')
  if ((tls?.cert === undefined) !== (tls?.key === undefined))
    throw new CliError('usage', 'store.tls: cert and key go together')
  if (server.maxContentLength > MOST_CONTENT)
    throw new CliError(
      'usage',
      `server.maxContentLength is ${server.maxContentLength}, and what MongoDB keeps in one document allows ${MOST_CONTENT}`,
    )
}
