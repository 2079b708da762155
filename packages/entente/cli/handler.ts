import { spawn } from 'node:child_process'
import type { EventDelivery } from '@entente/client'
import { CliError } from './errors.ts'

/** How a handler ended: its exit code, or the signal that ended it. */
export type Handled = { isDone: true } | { isDone: false; how: string }

/** Deals with one event. */
export type Handler = (delivery: EventDelivery<unknown>) => Promise<Handled>

export type HandlerOptions = {
  /** A program and its arguments, with spaces between; or a line for a shell. */
  command: string
  isShell: boolean
  /** Where its output goes: the standard output is for JSON lines. */
  isJson: boolean
}

/** Ids of STIX, and nothing that means something in an environment. */
const PLAIN = /^[ -~]{1,300}$/

/**
 * A program that is run for each event, which it reads from its standard input: one at a time. Nothing of an event gets into the command line.
 *
 * @throws CliError `usage`, when run, where there is no such program
 */
export function createHandler({ command, isShell, isJson }: HandlerOptions): Handler {
  const [program = '', ...given] = isShell ? [command] : command.split(' ').filter(word => word !== '')
  if (program === '') throw new CliError('usage', '--exec names no program')
  return ({ event, id, text, level }) => {
    const found: Record<string, string | undefined> = {
      ENTENTE_EVENT: event.event,
      ENTENTE_ID: id,
      ENTENTE_LEVEL: level,
      ENTENTE_ORIGIN: event.origin,
      ENTENTE_LOG_INDEX: event.log_index === undefined ? undefined : String(event.log_index),
      ENTENTE_COLLECTION: event.collection,
      ENTENTE_SEQ: String(event.seq),
      ENTENTE_OBJECT: 'record' in event && 'id' in event.record ? event.record.id : undefined,
    }
    const named = Object.entries(found).filter(([, value]) => value !== undefined && PLAIN.test(value))
    return new Promise((resolve, reject) => {
      const child = spawn(program, given, {
        shell: isShell,
        stdio: ['pipe', isJson ? 2 : 'inherit', 'inherit'],
        env: { ...process.env, ...Object.fromEntries(named) },
      })
      child.once('error', cause =>
        reject(new CliError('usage', `--exec: ${program} can't be run: ${cause.message}`, { cause })),
      )
      child.once('close', (code, signal) =>
        resolve(
          code === 0
            ? { isDone: true }
            : { isDone: false, how: code === null ? `signal ${signal}` : `exit code ${code}` },
        ),
      )
      // A program need not read its input.
      child.stdin?.on('error', () => {})
      child.stdin?.end(`${text}\n`)
    })
  }
}
