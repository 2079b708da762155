import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const BINARY = join(import.meta.dirname, '..', '..', 'entente.js')

export type Ran = { code: number; out: string; err: string }
type RunOptions = { cwd: string; env?: Record<string, string>; input?: string }

/** Runs the real command in a process of its own, with no login, setting or memory of this machine. */
export function entente(args: string[], options: RunOptions): Promise<Ran> {
  return startCommand(args, options).ended
}

/** A command that hangs fails its test, and no more. */
const MOST_MS = 120_000

/** {@link entente}, for a command that goes on: what it has written so far, and its end. */
export function startCommand(args: string[], { cwd, env = {}, input }: RunOptions) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ENTENTE_')))
  const child = spawn(process.execPath, [BINARY, ...args], { cwd, env: { ...clean, ENTENTE_MEMORY: '', ...env } })
  child.stdin.end(input ?? '')
  child.stdin.on('error', () => {})
  const written = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', d => (written.out += d))
  child.stderr.setEncoding('utf8').on('data', d => (written.err += d))
  const timer = setTimeout(() => child.kill('SIGKILL'), MOST_MS)
  const ended = new Promise<Ran>(resolve => child.once('close', code => resolve({ code: code ?? -1, ...written })))
  void ended.then(() => clearTimeout(timer))
  return { child, written, ended }
}

/**
 * Runs a session as one reads it on a terminal, and holds it against what is written there:
 *
 * - `$ entente …` is run; `< FILE` and `> FILE` are what they are in a shell, `NAME=value` before it sets the environment
 * - the lines below are what it writes, standard output first; `…` stands for any text in a line, alone for any lines
 * - `[exit N]` ends a command that does not end with 0
 * - `$NAME` is replaced in commands, and what a command writes has `$NAME` in place of the value
 */
export async function runScript(
  script: string,
  { cwd, variables = {} }: { cwd: string; variables?: Record<string, string> },
): Promise<void> {
  const names = Object.entries(variables).sort(([, a], [, b]) => b.length - a.length)
  const expand = (text: string) => names.reduce((s, [name, value]) => s.replaceAll(`$${name}`, value), text)
  const fold = (text: string) => names.reduce((s, [name, value]) => s.replaceAll(value, `$${name}`), text)
  for (const { command, expected, exit } of parseScript(script)) {
    const call = parseCommand(expand(command))
    const input = call.from === undefined ? undefined : readFileSync(join(cwd, call.from), 'utf8')
    const ran = await entente(call.args, { cwd, env: call.env, ...(input === undefined ? {} : { input }) })
    if (call.to !== undefined) writeFileSync(join(cwd, call.to), ran.out)
    const written = toLines(fold((call.to === undefined ? ran.out : '') + ran.err))
    const shown = `$ ${command}\n${written.join('\n')}\n[exit ${ran.code}]`
    assert.ok(matchLines(written, expected), `${shown}\n--- expected:\n${expected.join('\n')}\n[exit ${exit}]`)
    assert.equal(ran.code, exit, shown)
  }
}

type Step = { command: string; expected: string[]; exit: number }

function parseScript(script: string): Step[] {
  const steps: Step[] = []
  const lines = script.split('\n').filter(line => line.trim() !== '')
  const margin = /^ */.exec(lines[0] ?? '')?.[0].length ?? 0
  for (const line of lines.map(l => l.slice(margin))) {
    const exit = /^\[exit (\d)\]$/.exec(line)?.[1]
    const step = steps.at(-1)
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), expected: [], exit: 0 })
    else if (step && exit !== undefined) step.exit = Number(exit)
    else step?.expected.push(line)
  }
  return steps
}

const toLines = (text: string): string[] =>
  text
    .split('\n')
    .map(line => line.trimEnd())
    .filter(line => line !== '')

function matchLines(lines: string[], patterns: string[]): boolean {
  const [pattern, ...rest] = patterns
  if (pattern === undefined) return lines.length === 0
  if (pattern.trim() === '…') return lines.some((_, i) => matchLines(lines.slice(i), rest)) || matchLines([], rest)
  const [line, ...others] = lines
  return line !== undefined && matchLine(line, pattern) && matchLines(others, rest)
}

function matchLine(line: string, pattern: string): boolean {
  const parts = pattern.split('…')
  const last = parts.at(-1) as string
  if (parts.length === 1) return line === pattern
  if (!line.startsWith(parts[0] as string)) return false
  let at = (parts[0] as string).length
  for (const part of parts.slice(1, -1)) {
    const found = line.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return line.length - last.length >= at && line.endsWith(last)
}

function parseCommand(command: string) {
  const words = (command.match(/"[^"]*"|\S+/g) ?? []).map(w => (w.startsWith('"') ? w.slice(1, -1) : w))
  const env: Record<string, string> = {}
  while (/^[A-Z_]+=/.test(words[0] ?? '')) {
    const [name = '', ...value] = (words.shift() as string).split('=')
    env[name] = value.join('=')
  }
  assert.equal(words.shift(), 'entente', command)
  const redirect = (sign: string) => {
    const at = words.indexOf(sign)
    return at < 0 ? undefined : words.splice(at, 2)[1]
  }
  return { env, from: redirect('<'), to: redirect('>'), args: words }
}
