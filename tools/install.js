// Installs what the scripts need, once: runs before `npm start`, `npm test` and the others, on any Node from 20 on.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const modules = join(root, 'node_modules')
const stamp = join(modules, '.entente-installed')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const node24 = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

const installed = existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && existsSync(node24)
if (!installed) {
  console.error('Entente: installing its npm packages (once; Node 24 and a Solidity toolchain are among them) …')
  // Not `npm ci`: it refuses a lock file without the optional binaries of platforms that a registry's mirror doesn't carry.
  // The lock file is followed and not written.
  const npm = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (npm.status !== 0) {
    console.error(
      'Entente: `npm install` failed. Is a package registry within reach? Run `npm install` to see the whole output.',
    )
    process.exit(npm.status ?? 1)
  }
  if (!existsSync(node24)) {
    console.error('Entente: Node 24 is missing from node_modules. Its install script may have been blocked: run')
    console.error('  npm rebuild node --foreground-scripts')
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}
