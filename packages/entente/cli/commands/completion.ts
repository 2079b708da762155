import type { Args, Command } from '../commands.ts'
import { commands, globalOptions } from '../commands.ts'
import { CliError, EXIT } from '../errors.ts'
import { positionals } from '../values.ts'

/** A script for a shell, made from the list of commands. */
export async function run({ positionals: given }: Args): Promise<number> {
  const [shell = ''] = positionals(given, ['bash|zsh|fish'], 'completion bash|zsh|fish')
  const scripts: Record<string, (all: readonly Command[]) => string> = { bash, zsh, fish }
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined
  if (!script) throw new CliError('usage', `"${shell}": bash, zsh and fish are known`)
  process.stdout.write(script(commands))
  return EXIT.yes
}

type Option = { flag: string; takesValue: boolean; text: string }

/** Options of a command with the first sentence of their help. */
function optionsOf(command: Command): Option[] {
  return Object.entries({ ...command.options, ...globalOptions }).map(([name, { type }]) => {
    const help = Object.entries(command.help).find(([key]) => key.split(/[ ,]/)[0] === `--${name}`)?.[1]
    const standard = name === 'json' ? 'answer as one JSON object' : name === 'help' ? 'show the options' : ''
    return { flag: `--${name}`, takesValue: type === 'string', text: help ?? standard }
  })
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

function bash(all: readonly Command[]): string {
  const cases = all.map(c => {
    const options = optionsOf(c)
    const valued = options.filter(o => o.takesValue).map(o => o.flag)
    return `    ${c.name}) options=${quote(options.map(o => o.flag).join(' '))}; valued=${quote(valued.join(' '))}; words=${quote((c.subcommands ?? []).join(' '))} ;;`
  })
  return `# entente: bash completion. source <(entente completion bash)
_entente() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  local options='' valued='' words=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quote([...all.map(c => c.name), 'help', '--help', '--version'].join(' '))} -- "$current"))
    return
  fi
  case "$command" in
${cases.join('\n')}
    help) words=${quote(all.map(c => c.name).join(' '))} ;;
  esac
  case " $valued " in
    *" $previous "*) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [ -n "$words" ] && [ "$COMP_CWORD" -eq 2 ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _entente entente
`
}

function zsh(all: readonly Command[]): string {
  const escape = (text: string) => text.replaceAll(/[[\]:\\]/g, c => `\\${c}`)
  const names = all.map(c => `    ${quote(`${c.name}:${escape(c.summary)}`)}`)
  const cases = all.map(c => {
    const options = optionsOf(c).map(o =>
      quote(`*${o.flag}[${escape(o.text)}]${o.takesValue ? `:${o.flag.slice(2)}:_files` : ''}`),
    )
    const words = c.subcommands ? [quote(`1:action:(${c.subcommands.join(' ')})`)] : []
    return `    ${c.name}) _arguments ${[...options, ...words, quote('*:file:_files')].join(' ')} ;;`
  })
  return `#compdef entente
# entente: zsh completion. source <(entente completion zsh)
_entente() {
  local -a commands
  commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
compdef _entente entente
`
}

function fish(all: readonly Command[]): string {
  const lines = [
    '# entente: fish completion. entente completion fish | source',
    'complete -c entente -n __fish_use_subcommand -f',
  ]
  for (const command of all) {
    lines.push(`complete -c entente -n __fish_use_subcommand -f -a ${command.name} -d ${fishQuote(command.summary)}`)
    const when = `-n '__fish_seen_subcommand_from ${command.name}'`
    for (const word of command.subcommands ?? []) lines.push(`complete -c entente ${when} -f -a ${word}`)
    for (const { flag, takesValue, text } of optionsOf(command))
      lines.push(`complete -c entente ${when} -l ${flag.slice(2)}${takesValue ? ' -r' : ''} -d ${fishQuote(text)}`)
  }
  return `${lines.join('\n')}\n`
}

const fishQuote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
