// Runs the tests, a line a file; ends with what was skipped and why, and the count. costs.ts says which run at once.
//   node tools/test.ts [--long] [--files FILE…]
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { parseArgs } from 'node:util'
import { type Cost, createPlan, formatCosts, parseCosts } from './costs.ts'
import { root, sources } from './files.ts'
import { childrenOf, endTree, handlesIn, tree } from './processes.ts'

const { values, positionals } = parseArgs({
  options: { long: { type: 'boolean' }, files: { type: 'boolean' } },
  allowPositionals: true,
})
if (values.long) process.env['ENTENTE_TEST_LONG'] = '1'
// Each test file is a process of its own, and many start more: what one has compiled the others need not.
process.env['NODE_COMPILE_CACHE'] ??= join(root, '.cache', 'compiled')
const isTest = (f: string) => f.endsWith('.test.ts')
const files = values.files
  ? positionals.map(f => join(root, f))
  : ['packages', 'chaincode', 'contracts', 'test'].flatMap(sources).filter(isTest)

if (!values.files) {
  console.log(
    'Looking for the ledgers, witnesses and databases that tests start (the first time some are built, for minutes) …',
  )
  const installed = script('test/support/install.ts')
  if (!values.long) console.log('Meanwhile types, lint, format and arrows …')
  const isRight = values.long || (await script('tools/check.ts', '--no-tests'))
  await installed
  if (!isRight) process.exit(1)
}

type Skip = { file: string; test: string; reason: string }
const skips: Skip[] = []
const failures: { file: string; test: string; error: string }[] = []
const perFile = new Map<string, { passed: number; failed: number; skipped: number }>()
let passed = 0
const started = performance.now()
/** The file that was run: a test of a conformance suite belongs to the adapter's test file, not to the suite's own. */
const fileOf = (data: { file?: string | undefined; entryFile?: string | undefined }) => {
  const file = data.entryFile ?? data.file
  return file === undefined ? '?' : relative(root, file)
}
const counts = (name: string) => {
  let c = perFile.get(name)
  if (!c) {
    c = { passed: 0, failed: 0, skipped: 0 }
    perFile.set(name, c)
  }
  return c
}

/** More than any file takes, also on a slow machine: a run that hangs says where, and goes on. */
const FILE_MS = Number(process.env['ENTENTE_TEST_FILE_MS'] ?? (values.long ? 5_400_000 : 720_000))
/** For so long after its last test a file may be about to begin another, or to end. */
const QUIET_MS = Math.min(FILE_MS / 2, 120_000)
const reports = mkdtempSync(join(tmpdir(), 'entente-test-reports-'))

const plan = createPlan(
  files.map(f => relative(root, f)),
  parseCosts(readFileSync(join(root, 'test', 'costs.txt'), 'utf8')),
  Math.min(2, availableParallelism()),
)
const costs: Cost[] = []
let cpuBefore = cpuOfChildren()
await new Promise<void>((resolve, reject) => {
  const fill = () => {
    for (const file of plan.start())
      runFile(file).then(() => {
        plan.end(file)
        fill()
      }, reject)
    if (plan.isDone()) resolve()
  }
  fill()
})

async function runFile(file: string): Promise<void> {
  const begun = performance.now()
  const tooLong = new AbortController()
  const stream = run({
    files: [join(root, file)],
    timeout: values.long ? 3_600_000 : 300_000,
    cwd: root,
    signal: tooLong.signal,
    execArgv: ['--report-on-signal', '--report-exclude-env', `--report-directory=${reports}`],
  })
  /** Names of tests that have begun and not ended; the first is the file's. */
  const open: string[] = []
  const giveUp = async (why: string) => {
    clearTimeout(deadline)
    clearTimeout(quiet)
    const begun = `begun, not ended: ${open.join('; ')}`
    const found = await endFile(file).catch(error => [`its processes could not be looked at: ${error}`])
    const error = new Error(why)
    error.stack = [why, begun, ...found].join('\n')
    tooLong.abort(error)
  }
  const deadline = setTimeout(() => void giveUp(`it did not end within ${FILE_MS / 1000} s`), FILE_MS)
  let quiet: NodeJS.Timeout | undefined
  stream.on('test:dequeue', data => {
    clearTimeout(quiet)
    open.push(data.name)
  })
  stream.on('test:complete', data => {
    open.splice(open.lastIndexOf(data.name), 1)
    clearTimeout(quiet)
    if (open.length <= 1)
      quiet = setTimeout(() => void giveUp(`its tests have ended, and it did not for ${QUIET_MS / 1000} s`), QUIET_MS)
  })
  stream.on('test:pass', data => {
    if (data.details.type === 'suite') return
    if (data.skip !== undefined) {
      counts(fileOf(data)).skipped++
      skips.push({
        file: fileOf(data),
        test: data.name,
        reason: typeof data.skip === 'string' ? data.skip : 'no reason given',
      })
    } else if (data.name !== data.file && fileOf(data) !== data.name) {
      counts(fileOf(data)).passed++
      passed++
    }
  })
  stream.on('test:fail', data => {
    const { error } = data.details
    // A suite or file that failed because of a test inside it is not another failure.
    if ((error as { failureType?: string }).failureType === 'subtestsFailed') return
    counts(fileOf(data)).failed++
    const cause = (error.cause ?? error) as Error
    failures.push({ file: fileOf(data), test: data.name, error: cause.stack ?? String(cause) })
  })
  stream.on('test:stderr', data => {
    if (process.env['ENTENTE_TEST_OUTPUT']) process.stderr.write(data.message)
  })
  stream.on('test:stdout', data => {
    if (process.env['ENTENTE_TEST_OUTPUT'] || /^(measured|skipped|\[bench\])/.test(data.message))
      process.stdout.write(`      ${data.message.trimEnd()}\n`)
  })
  let success = true
  stream.on('test:summary', data => (success &&= data.success))
  for await (const _ of stream);
  clearTimeout(deadline)
  clearTimeout(quiet)

  const seconds = (performance.now() - begun) / 1000
  const cpu = cpuOfChildren()
  costs.push({ file, seconds, cpu: cpu - cpuBefore })
  const c = counts(file)
  console.log(
    `${c.failed > 0 || !success ? 'FAIL' : 'ok  '}  ${file}  ${c.passed} passed${c.failed ? `, ${c.failed} FAILED` : ''}${c.skipped ? `, ${c.skipped} skipped` : ''}  ${seconds.toFixed(1)} s, CPU ${(cpu - cpuBefore).toFixed(1)} s`,
  )
  cpuBefore = cpu
}

/** Ends a test file that does not end by itself with all that it started; what held it open. The timeout of node:test ends tests, not what they leave open. */
async function endFile(file: string): Promise<string[]> {
  const found: string[] = []
  for (const { pid, command } of childrenOf(process.pid)) {
    if (!command.includes(join(root, file))) continue
    for (const p of tree(pid)) found.push(`process ${p.pid}: ${p.command.replaceAll(/ --\S+/g, '')}`)
    for (const handle of await handlesIn(pid, reports)) found.push(`open: ${handle}`)
    endTree(pid)
  }
  return found.length > 0 ? found : ['it has ended, but not a process that it started and that writes to its output']
}

/** Runs a script of ours; says whether it ended well. */
function script(...args: string[]): Promise<boolean> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' })
  return new Promise(resolve => child.once('exit', code => resolve(code === 0)))
}

/**
 * CPU seconds of child processes that have ended and were waited for, and of theirs (proc(5), /proc/PID/stat, cutime and cstime, in hundredths): what is
 * more when a test file ends was that file's. 0 where there is no /proc.
 */
function cpuOfChildren(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8')
    const [cutime, cstime] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(13, 15)
    return (Number(cutime) + Number(cstime)) / 100
  } catch {
    return 0
  }
}

for (const f of failures)
  console.log(
    `\nFAILED  ${f.file}: ${f.test}\n${f.error
      .split('\n')
      .slice(0, 25)
      .map(l => `    ${l}`)
      .join('\n')}`,
  )
if (skips.length > 0) {
  console.log('\nSkipped here:')
  for (const s of skips) console.log(`  ${s.file}: ${s.test}\n      ${s.reason}`)
}
mkdirSync(join(root, 'test-results'), { recursive: true })
writeFileSync(join(root, 'test-results', 'skips.json'), JSON.stringify(skips, null, 2))
const cpuSeconds = costs.reduce((sum, c) => sum + c.cpu, 0)
const isWhole = !values.files && !values.long && cpuSeconds > 0
if (isWhole) writeFileSync(join(root, 'test-results', 'costs.txt'), formatCosts(costs))
console.log(
  `\n${files.length} files, ${((performance.now() - started) / 1000).toFixed(0)} s, CPU ${cpuSeconds.toFixed(0)} s${isWhole ? '; test-results/costs.txt lists what took longest' : ''}`,
)
console.log(`${passed} passed, ${failures.length} failed, ${skips.length} skipped`)
rmSync(reports, { recursive: true, force: true })
// At once: what a file that was given up left behind must not hold this process.
process.exit(failures.length > 0 || passed === 0 ? 1 : 0)
