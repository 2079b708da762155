import type { Args, Command } from '../commands.ts'
import { CliError } from '../errors.ts'

/** Each is loaded when it runs. */
const ACTIONS: Record<string, () => Promise<{ run: Command['run'] }>> = {
  deploy: () => import('./ledger-deploy.ts'),
  status: () => import('./ledger-status.ts'),
  verify: () => import('./ledger-verify.ts'),
  package: () => import('./ledger-package.ts'),
}

/** What an operator does about the ledgers of a configuration. */
export async function run({ values, positionals: [action = '', ...rest] }: Args): Promise<number | undefined> {
  const load = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
  if (!load)
    throw new CliError(
      'usage',
      `"${action}" is nothing to do with ledgers: ${Object.keys(ACTIONS).join(', ')} are known`,
    )
  return (await load()).run({ values, positionals: rest })
}
