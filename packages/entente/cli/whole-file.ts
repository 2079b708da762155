import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'

/** Puts a small file in the place of another, on disk: whoever is killed leaves the one or the other. Only its owner may read it. */
export function writeWhole(file: string, content: string | Uint8Array): void {
  const temporary = `${file}.${process.pid}.part`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeSync(fd, typeof content === 'string' ? Buffer.from(content) : content)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, file)
}
