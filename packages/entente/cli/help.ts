import type { Command } from './commands.ts'

/** `entente --help` */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(c => c.name.length))
  const lines = commands.map(c => `  ${c.name.padEnd(width)}  ${c.summary}`)
  return `entente: share cybersecurity information that nobody can quietly change, drop or back-date

Usage: entente COMMAND [OPTIONS]

Commands:
${lines.join('\n')}

"entente help COMMAND" or "entente COMMAND --help" shows its options.
Exit codes: 0 yes, 1 no, 2 usage, 3 could not reach, 4 evidence failed.
`
}

/** `entente COMMAND --help` */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.help)
  const width = Math.max(8, ...options.map(([name]) => name.length))
  const lines = [...options, ['--json', 'answer as one JSON object'], ['--help', 'show this']].map(
    ([name, text]) => `  ${(name as string).padEnd(width)}  ${text}`,
  )
  return `${command.summary}\n\nUsage: entente ${command.usage}\n\nOptions:\n${lines.join('\n')}\n${command.examples ? `\nExamples:\n${command.examples.map(e => `  ${e}`).join('\n')}\n` : ''}`
}
