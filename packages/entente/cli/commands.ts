import type { ParseArgsConfig } from 'node:util'

export type Args = { values: Record<string, unknown>; positionals: string[] }

export type Command = {
  name: string
  summary: string
  usage: string
  options: NonNullable<ParseArgsConfig['options']>
  /** What `--help` says of each option. */
  help: Record<string, string>
  examples?: string[]
  /** @returns an exit code; 0 where it returns none */
  run(args: Args): Promise<number | undefined>
}

export const globalOptions: NonNullable<ParseArgsConfig['options']> = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
}

/** Every command is loaded when it runs: `entente --help` opens no database driver. */
const lazily = (command: Omit<Command, 'run'>, load: () => Promise<{ run: Command['run'] }>): Command => ({
  ...command,
  run: async args => (await load()).run(args),
})

const DATA: Command['options'] = { config: { type: 'string' }, data: { type: 'string' } }
const DATA_HELP = {
  '--data DIR': 'data folder (default: ./data, or ENTENTE_DATA)',
  '--config FILE': 'configuration (YAML)',
}
const LOGIN: Command['options'] = { user: { type: 'string' }, password: { type: 'string' }, token: { type: 'string' } }
const LOGIN_HELP = {
  '--user NAME': 'user (default: admin of a server on this machine, or ENTENTE_USER)',
  '--password P|-': 'password; "-" reads a line from standard input (or ENTENTE_PASSWORD)',
  '--token TOKEN': 'API token instead (or ENTENTE_TOKEN)',
}

export const commands: readonly Command[] = [
  lazily(
    {
      name: 'serve',
      summary: 'Run the server',
      usage: 'serve [--data DIR] [--config FILE] [--host H] [--port P]',
      options: { ...DATA, host: { type: 'string' }, port: { type: 'string' }, quiet: { type: 'boolean' } },
      help: {
        ...DATA_HELP,
        '--host H': 'address to listen on (default 127.0.0.1)',
        '--port P': 'port (default 6100)',
        '--quiet': 'log warnings and errors only',
      },
      examples: [
        'entente serve',
        'ENTENTE_ADMIN_PASSWORD=… entente serve --data /var/lib/entente --config /etc/entente.yaml',
      ],
    },
    () => import('./commands/serve.ts'),
  ),
]
