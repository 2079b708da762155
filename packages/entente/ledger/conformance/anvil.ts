import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export interface Anvil {
  readonly url: string
  stop(): void
}

/** A development chain for tests, or the reason why it cannot run here. */
export async function startAnvil(...args: string[]): Promise<Anvil | string> {
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  let binary: string
  try {
    const home = dirname(createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${platform}/package.json`))
    binary = join(home, 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil')
  } catch {
    return `anvil is not installed for ${platform}`
  }
  const child = spawn(binary, ['--host', '127.0.0.1', '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  return listening(child)
}

function listening(child: ChildProcess): Promise<Anvil | string> {
  return new Promise(resolve => {
    let output = ''
    const late = setTimeout(() => {
      resolve('anvil did not start in 10 s')
      child.kill('SIGKILL')
    }, 10_000).unref()
    const look = (chunk: Buffer) => {
      output += chunk.toString()
      const port = output.match(/Listening on 127\.0\.0\.1:(\d+)/)?.[1]
      if (port === undefined) return
      clearTimeout(late)
      resolve({ url: `http://127.0.0.1:${port}`, stop: () => void child.kill() })
    }
    child.stdout?.on('data', look)
    child.stderr?.on('data', look)
    child.on('error', error => resolve(`anvil cannot start: ${error.message}`))
    child.on('exit', code => {
      clearTimeout(late)
      resolve(`anvil ended with ${code}: ${output.slice(-300)}`)
    })
  })
}
