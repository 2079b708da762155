// Node only: everything else of this package works in a browser too.
import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseStrict } from '@entente/verify/json'
import { ClientError } from './error.ts'
import { type CheckpointMemory, type Remembered, sizeOf } from './memory.ts'

const FORMAT = 'entente/memory/v1'
const MEMBERS = ['origin', 'vkey', 'key', 'checkpoint', 'server', 'seen'] as const
const MAX_BYTES = 1_048_576

/**
 * A memory in a folder, a file for each log: `<origin>-<hash>.<size>-<hash>.json`, mode 0600. Several processes may use it: each adds a file of its own
 * under a name that no other checkpoint has, durably, and then removes those that it has compared with its own. So nobody waits for
 * a lock, and a process that is killed leaves one file too many, never one too few.
 */
export function openFileMemory(folder: string): CheckpointMemory {
  const names = () => (ifThere(folder, () => readdirSync(folder)) ?? []).filter(name => name.endsWith('.json'))
  /** A file that goes while this reads was superseded by a newer one: the list of names is read again. */
  const read = (isWanted: (name: string) => boolean): Remembered[] => {
    for (;;) {
      const entries = names()
        .filter(isWanted)
        .map(name => readEntry(join(folder, name)))
      if (entries.every(entry => entry !== undefined)) return entries
    }
  }
  return {
    recall: async origin => read(name => name.startsWith(`${logName(origin)}.`)),
    ofServer: async server => read(() => true).filter(entry => entry.server === server),
    async keep(entry, compared) {
      attempt(folder, () => {
        mkdirSync(folder, { recursive: true, mode: 0o700 })
        const name = fileName(entry)
        writeWhole(folder, name, `${JSON.stringify({ format: FORMAT, ...entry }, null, 2)}\n`)
        // A crash here leaves both files: the next reader compares with both.
        for (const old of compared.map(fileName)) if (old !== name) rmSync(join(folder, old), { force: true })
      })
    },
  }
}

/** Origins may hold slashes and more: the readable part is for people, the hash tells them apart. */
function logName(origin: string): string {
  const readable = origin.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 60)
  return `${readable}-${createHash('sha256').update(origin).digest('hex').slice(0, 16)}`
}

/** Two checkpoints of one size have two files, so none hides the other. */
function fileName(entry: Remembered): string {
  const hash = createHash('sha256').update(entry.checkpoint).digest('hex').slice(0, 16)
  return `${logName(entry.origin)}.${sizeOf(entry)}-${hash}.json`
}

/** The file appears under its name once it is whole and on disk; one that is there already holds the same checkpoint. */
function writeWhole(folder: string, name: string, text: string): void {
  const temporary = join(folder, `.${name}.${randomUUID()}.part`)
  const fd = openSync(temporary, 'wx', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
    linkSync(temporary, join(folder, name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    closeSync(fd)
    rmSync(temporary, { force: true })
  }
  const directory = openSync(folder, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function readEntry(file: string): Remembered | undefined {
  const bytes = ifThere(file, () => readFileSync(file))
  if (bytes === undefined) return undefined
  try {
    const value = parseStrict(bytes, { maxBytes: MAX_BYTES }) as Record<string, unknown>
    if (value['format'] !== FORMAT) throw new TypeError(`its format is ${JSON.stringify(value['format'])}`)
    for (const name of MEMBERS) if (typeof value[name] !== 'string') throw new TypeError(`it has no "${name}"`)
    if (value['key'] !== 'pinned' && value['key'] !== 'first-use') throw new TypeError('its "key" is unknown')
    const { successions } = value
    const isList = Array.isArray(successions) && successions.every(note => typeof note === 'string')
    if (successions !== undefined && !isList) throw new TypeError('its "successions" are no list of statements')
    const entry = {
      ...Object.fromEntries(MEMBERS.map(name => [name, value[name]])),
      ...(isList ? { successions } : {}),
    } as Remembered
    sizeOf(entry)
    return entry
  } catch (cause) {
    throw new ClientError(
      'memory',
      `${file} is not what was remembered there: ${(cause as Error).message}. Restore it, or remove it to trust the log as if at first use`,
      { cause },
    )
  }
}

function attempt<T>(path: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw new ClientError('memory', `${path}: ${(cause as Error).message}`, { cause })
  }
}

const ifThere = <T>(path: string, run: () => T): T | undefined =>
  attempt(path, () => {
    try {
      return run()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
  })
