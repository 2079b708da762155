import { type Config, loadConfig, type Paths } from './config.ts'
import { CliError } from './errors.ts'
import { dataFolder } from './options.ts'
import { isServed } from './stores.ts'
import { textOf } from './values.ts'

/**
 * The configuration and folder of a server that has run before; nothing is created.
 *
 * @throws CliError `usage`
 */
export function openData(values: Record<string, unknown>): { config: Config; paths: Paths } {
  const { config, paths } = loadConfig({
    file: textOf(values, 'config'),
    data: dataFolder(values),
    env: process.env,
  })
  if (!isServed(config, paths)) {
    const way = 'name it with --data DIR, or start the server once: "entente serve"'
    throw new CliError('usage', `${paths.data} is not the data folder of a server: ${way}`)
  }
  return { config, paths }
}
