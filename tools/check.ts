// Types, lint, format, arrows, the fast tests and the examples: everything that answers in under a minute.
import { spawn } from 'node:child_process'
import { relative } from 'node:path'
import { root, sources } from './files.ts'

// Whatever starts processes, chains or browsers, and what is random for seconds, is for `npm test`.
const slow =
  /[/\\](e2e|crash|commands|embedded)[/\\]|test[/\\]federation[/\\]|(contracts|browser|conformance|client|faults|notary|bytes|tls|limits|proof|tree|backtracking|entente|differential|network|doctor|rotate)\.test\.ts$/
const tests = ['packages', 'chaincode', 'test']
  .flatMap(sources)
  .filter(f => f.endsWith('.test.ts') && !slow.test(f))
  .map(f => relative(root, f))
const examples = sources('examples').map(f => relative(root, f))

const steps: [name: string, command: string, args: string[]][] = [
  ['types', 'tsc', ['--noEmit', '-p', '.']],
  ['lint', 'oxlint', ['--type-aware', '--quiet', 'packages', 'chaincode', 'tools', 'test', 'bench', 'examples']],
  ['format', 'biome', ['check', '--diagnostic-level=error', '.']],
  ['arrows', 'node', ['tools/arrows.ts']],
  ...(process.argv.includes('--no-tests')
    ? []
    : ([['tests', 'node', ['tools/test.ts', '--files', ...tests]]] as [string, string, string[]][])),
  ...examples.map((f): [string, string, string[]] => [f, 'node', [f]]),
]

let failed = 0
for (const [name, command, args] of steps) {
  const started = performance.now()
  const { code, output } = await run(command, args)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'}  ${name} (${seconds} s)`)
  if (code !== 0) {
    failed++
    console.log(output)
  }
}
process.exitCode = failed > 0 ? 1 : 0

function run(command: string, args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise(resolve => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', d => (output += d))
    child.stderr.on('data', d => (output += d))
    child.on('error', error => resolve({ code: 1, output: `${command}: ${error.message}` }))
    child.on('close', code => resolve({ code, output }))
  })
}
