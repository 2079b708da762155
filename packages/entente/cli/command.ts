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
  /** First words after the name, for a command that has several. */
  subcommands?: readonly string[]
  /** @returns an exit code; 0 where it returns none */
  run(args: Args): Promise<number | undefined>
}

export const globalOptions: NonNullable<ParseArgsConfig['options']> = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
}

/** Every command is loaded when it runs: `entente --help` opens no database driver. */
export const lazily = (command: Omit<Command, 'run'>, load: () => Promise<{ run: Command['run'] }>): Command => ({
  ...command,
  run: async args => (await load()).run(args),
})
