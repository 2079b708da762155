import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { CliError } from './errors.ts'

/** Where a command's result goes. A file appears under its name only once it is whole. */
export type Output = {
  write(text: string | Uint8Array): Promise<void>
  commit(): void
  /** What was written so far is dropped. */
  discard(): void
}

/** @throws CliError `usage` where the file can't be written */
export function openOutput(file: string | undefined): Output {
  if (file === undefined) {
    return {
      async write(text) {
        if (!process.stdout.write(text)) await once(process.stdout, 'drain')
      },
      commit: () => {},
      discard: () => {},
    }
  }
  const temporary = `${file}.${process.pid}.part`
  const run = <T>(what: () => T): T => {
    try {
      return what()
    } catch (cause) {
      throw new CliError('usage', `${file} can't be written: ${(cause as Error).message}`, { cause })
    }
  }
  const fd = run(() => openSync(temporary, 'wx', 0o666))
  return {
    write: async text => void run(() => writeSync(fd, typeof text === 'string' ? Buffer.from(text) : text)),
    commit: () =>
      run(() => {
        fsyncSync(fd)
        closeSync(fd)
        renameSync(temporary, file)
      }),
    discard() {
      closeSync(fd)
      rmSync(temporary, { force: true })
    },
  }
}
