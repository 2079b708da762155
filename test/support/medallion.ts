import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './server.ts'

const REQUIREMENTS = join(root, 'bench', 'medallion-requirements.txt')

/**
 * OASIS's reference TAXII server from PyPI, once into the cache.
 *
 * @returns the Python of an environment that holds exactly the pinned packages, or why there is none
 */
export function installMedallion(): { python: string } | { reason: string } {
  const key = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  const environment = join(root, '.cache', `medallion-${key}`)
  const python = join(environment, 'bin', 'python')
  if (existsSync(python)) return { python }
  const partial = `${environment}.part`
  rmSync(partial, { recursive: true, force: true })
  try {
    execFileSync('python3', ['-m', 'venv', partial], { stdio: 'pipe' })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', REQUIREMENTS]
    execFileSync(join(partial, 'bin', 'python'), pip, { stdio: 'pipe' })
    renameSync(partial, environment) // its Python finds its packages by where it lies
    return { python }
  } catch (error) {
    return { reason: (error as Error).message.split('\n').slice(0, 3).join('; ') }
  }
}
