import { closeSync, fsyncSync, openSync } from 'node:fs'

/** Returns once a file, or what a folder says of its files, is on the disk and survives a loss of power. */
export function sync(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
