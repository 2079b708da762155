/**
 * How fast Entente is, side by side with what it is compared with: `npm run bench -- [--only NAME] [--quick] [--json FILE]
 * [--profile DIR]`. What is measured and why is in bench/README.md.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../test/support/server.ts'
import { benches, runBench } from './figures.ts'
import { source } from './objects.ts'
import { describeMachine, type Figure, formatMachine, formatTable, readLoad } from './report.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
})
const names = values.only ?? Object.keys(benches).filter(name => !name.startsWith('million'))
const unknown = names.find(name => !(name in benches))
if (unknown !== undefined) {
  console.error(`there is no bench "${unknown}": ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
const cache = join(root, '.cache')
mkdirSync(cache, { recursive: true })
const folder = mkdtempSync(join(cache, 'bench-'))
const profile = values.profile === undefined ? undefined : resolve(values.profile)
if (profile !== undefined) mkdirSync(profile, { recursive: true })

const say = (text: string) => console.error(text)
const figures: Figure[] = []
let failed = false
try {
  const machine = describeMachine(folder)
  console.log(`${formatMachine(machine)}\nObjects: ${source}${values.quick ? '; --quick: rough' : ''}\n`)
  for (const name of names) {
    const started = performance.now()
    try {
      figures.push(...(await runBench(name, { folder, quick: values.quick, profile, say })))
    } catch (error) {
      failed = true
      say(`${name} failed: ${(error as Error).stack}`)
    }
    say(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s, load ${readLoad()}`)
  }
  console.log(formatTable(figures))
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, source, quick: values.quick, figures }, null, 2)}\n`)
} finally {
  if (!failed) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
process.exitCode = failed ? 1 : 0
