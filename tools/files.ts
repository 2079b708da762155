import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export const root: string = join(import.meta.dirname, '..')

/** TypeScript files below a folder of the project, sorted. */
export function sources(folder: string): string[] {
  const top = join(root, folder)
  if (!existsSync(top)) return []
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter(e => e.isFile() && e.name.endsWith('.ts') && !e.parentPath.includes('node_modules'))
    .map(e => join(e.parentPath, e.name))
    .sort()
}
