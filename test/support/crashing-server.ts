// `entente serve` that kills itself, as by kill -9, when it comes to the crash point ENTENTE_TEST_CRASH ("point:nth time") names.
import { parseArgs } from 'node:util'
import { loadConfig } from '../../packages/entente/cli/config.ts'
import { startServer } from '../../packages/entente/cli/serve.ts'

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    data: { type: 'string' },
    config: { type: 'string' },
    port: { type: 'string' },
    quiet: { type: 'boolean' },
  },
})
const [wanted, nth] = (process.env['ENTENTE_TEST_CRASH'] as string).split(':')
let left = Number(nth)
const { config, paths } = loadConfig({ file: values.config, data: values.data as string, port: values.port, env: {} })
const server = await startServer(
  config,
  paths,
  () => {},
  point => {
    if (point === wanted && --left === 0) process.kill(process.pid, 'SIGKILL')
  },
)
process.stdout.write(`Entente is ready at ${server.url}\n`)
