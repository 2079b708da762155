import { parseArgs } from 'node:util'
import { type Command, commands, globalOptions } from './commands.ts'
import { CliError, EXIT, exitName } from './errors.ts'
import { commandHelp, overview } from './help.ts'

async function main(argv: string[]): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const about = name === 'help' && rest[0] !== undefined ? find(rest[0]) : undefined
    process.stdout.write(about ? commandHelp(about) : overview(commands))
    return name === undefined ? EXIT.usage : EXIT.yes
  }
  if (name === '--version' || name === '-v') {
    const {
      default: { version },
    } = await import('../package.json', { with: { type: 'json' } })
    process.stdout.write(`entente ${version}\n`)
    return EXIT.yes
  }
  const command = find(name)
  if (!command) {
    process.stderr.write(`entente: there is no command "${name}". "entente --help" lists them.\n`)
    return EXIT.usage
  }
  let isJson = rest.includes('--json')
  try {
    const { values, positionals } = parse(command, rest)
    isJson = values['json'] === true
    if (values['help'] === true) {
      process.stdout.write(commandHelp(command))
      return EXIT.yes
    }
    return (await command.run({ values, positionals })) ?? EXIT.yes
  } catch (error) {
    return report(error, name, isJson)
  }
}

const find = (name: string): Command | undefined => commands.find(c => c.name === name)

function parse(command: Command, args: string[]): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({
      args,
      options: { ...globalOptions, ...command.options },
      allowPositionals: true,
      strict: true,
    }) as { values: Record<string, unknown>; positionals: string[] }
  } catch (cause) {
    throw new CliError('usage', `${(cause as Error).message}\nUsage: entente ${command.usage}`, { cause })
  }
}

/** Every error ends in one line (or one JSON object) and an exit code; what nobody foresaw shows its stack. */
function report(error: unknown, name: string, isJson: boolean): number {
  const exit = EXIT[exitName(error)]
  const { message, stack } = error as Error
  const known = error instanceof CliError || 'code' in (error as object)
  if (isJson)
    process.stdout.write(
      `${JSON.stringify({ error: message, code: (error as { code?: string }).code ?? 'internal', exit, ...(error instanceof CliError ? error.details : {}) })}\n`,
    )
  else process.stderr.write(`entente ${name}: ${known ? message : stack}\n`)
  return exit
}

// Who reads the output has enough of it ("entente get … | head").
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.yes)
})
process.exitCode = await main(process.argv.slice(2))
