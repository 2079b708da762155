import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CliError } from './errors.ts'

/** A password as given: "-" is a line of standard input. On a terminal it is asked for where it is not given. */
export async function readPassword(given: string | undefined, question: string): Promise<string | undefined> {
  if (given !== undefined && given !== '-') return given
  if (given === '-') {
    const line = await readLine(process.stdin.isTTY ? question : undefined)
    if (line === undefined || line === '') throw new CliError('usage', 'standard input has no line with a password')
    return line
  }
  return process.stdin.isTTY && process.stderr.isTTY ? readLine(question) : undefined
}

/** One line of standard input; on a terminal without echo. */
async function readLine(question: string | undefined): Promise<string | undefined> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const isTerminal = Boolean(process.stdin.isTTY)
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal })
  if (question !== undefined) process.stderr.write(question)
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', () => reject(new CliError('no', 'interrupted: nothing was changed')))
      lines.once('close', () => resolve(undefined))
    })
  } finally {
    lines.close()
    if (question !== undefined) process.stderr.write('\n')
  }
}
