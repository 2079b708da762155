import { readFileSync, statSync } from 'node:fs'

/** A file that holds a URL is no larger. */
const MAX_BYTES = 4096

/** The URL of a MongoDB that is given, or that lies in the file that is, so that its password is in no list of processes. */
export function findMongoUrl(given: string): string | undefined {
  const isUrl = /^mongodb(\+srv)?:/.test(given)
  const file = isUrl ? undefined : statSync(given, { throwIfNoEntry: false })
  if (!isUrl && (file?.isFile() !== true || file.size > MAX_BYTES)) return undefined
  const text = isUrl ? given : readFileSync(given, 'utf8').trim()
  return /^mongodb(\+srv)?:\/\/\S+$/.test(text) ? text : undefined
}
