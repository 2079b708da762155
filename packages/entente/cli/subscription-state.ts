import { accessSync, constants, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseStrict } from '@entente/verify/json'
import { CliError } from './errors.ts'
import { writeWhole } from './whole-file.ts'

/** Where a subscription is, kept from one run to the next. */
export type SubscriptionState = {
  /** Of the last event that was dealt with; undefined where there was none yet. */
  readonly id: string | undefined
  /** Everything up to `id` was dealt with. Written at once, or within {@link LATER_MS}. */
  reach(id: string, isAtOnce: boolean): void
  /** The log that an event is of: ids mean something in one log only. */
  check(origin: string): void
  /** Writes what was not written yet. */
  end(): void
}

const FORMAT = 'entente/subscription/v1'
const MAX_BYTES = 65_536
/** Events that are printed again if the machine dies: those of so many milliseconds. */
const LATER_MS = 200

/**
 * A state in a file: `{"format", "source", "origin", "id"}`. It is there whole or not at all, and durable.
 *
 * @param source what is subscribed to, without credentials: a state of something else is refused
 * @throws CliError `usage` where the file holds something else, or can't be written; `evidence`, by `check`, where another log took the place of the first
 */
export function openSubscriptionState(file: string | undefined, source: string): SubscriptionState {
  let { id, origin } = (file === undefined ? undefined : read(file, source)) ?? {}
  let written = id
  let timer: NodeJS.Timeout | undefined
  let failure: unknown
  const write = () => {
    clearTimeout(timer)
    timer = undefined
    if (file === undefined || id === undefined || id === written) return
    save(file, { format: FORMAT, source, ...(origin === undefined ? {} : { origin }), id })
    written = id
  }
  /** Whoever reaches the next place, or the end, hears of a failure. */
  const writeLater = () => {
    try {
      write()
    } catch (error) {
      failure = error
    }
  }
  return {
    get id() {
      return id
    },
    reach(next, isAtOnce) {
      id = next
      if (file === undefined) return
      if (failure !== undefined) throw failure
      if (isAtOnce) write()
      else timer ??= setTimeout(writeLater, LATER_MS)
    },
    check(found) {
      if (file !== undefined && origin !== undefined && origin !== found)
        throw new CliError(
          'evidence',
          `${file} is of the log ${origin}, and ${source} now has events of ${found}: ask its operator why; remove the file to begin with the new log`,
        )
      origin = found
    },
    end() {
      if (failure !== undefined) throw failure
      write()
    },
  }
}

function read(file: string, source: string): { id: string; origin: string | undefined } | undefined {
  let bytes: Buffer
  try {
    // Before anything is dealt with that could not be remembered
    accessSync(dirname(file), constants.W_OK)
    bytes = readFileSync(file)
  } catch (cause) {
    const { code, path } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' && path === file) return undefined
    throw new CliError('usage', `${file} can't be used: ${(cause as Error).message}`, { cause })
  }
  const strange = (why: string, cause?: unknown) =>
    new CliError(
      'usage',
      `${file} is not what a subscription left there: ${why}. Restore it, or remove it and say --from`,
      {
        cause,
      },
    )
  let value: Record<string, unknown>
  try {
    value = (parseStrict(bytes, { maxBytes: MAX_BYTES }) ?? {}) as Record<string, unknown>
  } catch (cause) {
    throw strange((cause as Error).message, cause)
  }
  const { format, source: of, origin, id } = value
  if (format !== FORMAT || typeof id !== 'string' || !/^(?:start|\d{1,15})$/.test(id)) throw strange(`no ${FORMAT}`)
  if (origin !== undefined && typeof origin !== 'string') throw strange('its origin is no text')
  if (of !== source)
    throw new CliError('usage', `${file} is of ${String(of)}, and this is ${source}: keep a file for each`)
  return { id, origin }
}

function save(file: string, state: object): void {
  try {
    writeWhole(file, `${JSON.stringify(state)}\n`)
    // A crash here may leave the older state: what came since comes again.
  } catch (cause) {
    throw new CliError('usage', `${file} can't be written: ${(cause as Error).message}`, { cause })
  }
}
