import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Paths } from './config.ts'
import { CliError } from './errors.ts'

/**
 * A file that the configuration names, from the configuration's own folder on.
 *
 * @param key of the configuration, for the message
 * @throws CliError `usage`
 */
export function readConfigured(paths: Pick<Paths, 'base'>, file: string, key: string): Buffer {
  const path = isAbsolute(file) ? file : join(paths.base, file)
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new CliError('usage', `${key}: ${path} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
