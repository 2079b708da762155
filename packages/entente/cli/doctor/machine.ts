import { accessSync, constants, existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import { systemClock } from '#notary/time.ts'
import { ledgerFolder } from '../ledgers.ts'
import { type Check, type Machine, ok, type Patient, problem, type Seen, warning } from './check.ts'

const [MB, GB] = [1_048_576, 1_073_741_824]
/** Nothing more can be stored soon, and it is time to make room. */
const SPACE = { problem: 256 * MB, warning: 2 * GB }
/** A server under hostile requests has 290 MB (docs/decisions/0008-bounds-of-a-request.md), with the bodies and answers that are allowed unless set. */
const LEAST_MEMORY = 512 * MB
const LEAST_NODE = 24

/** This machine. */
export const realMachine = (): Machine => ({
  clock: systemClock,
  env: process.env,
  space: async path => {
    const { bavail, blocks, bsize } = await statfs(path)
    return { free: bavail * bsize, total: blocks * bsize }
  },
  nodeVersion: process.versions.node,
  // Without a limit of its container a process is told of none, or of one beyond all there is.
  memory: {
    limit: Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()),
    heap: getHeapStatistics().heap_size_limit,
  },
})

export const machineChecks: readonly Check[] = [
  { name: 'Node.js', group: 'machine', run: async ({ machine }) => [node(machine)] },
  { name: 'memory', group: 'machine', run: async patient => memory(patient) },
  { name: 'disk space', group: 'machine', run: space },
  { name: 'data folder', group: 'machine', run: async patient => [dataFolder(patient)] },
]

const node = ({ nodeVersion }: Machine): Seen =>
  Number.parseInt(nodeVersion, 10) >= LEAST_NODE
    ? ok('Node.js', nodeVersion)
    : problem('Node.js', `${nodeVersion} can't run this program`, `Install Node.js ${LEAST_NODE} or later.`)

function memory({ config, machine }: Patient): Seen[] {
  const { limit, heap } = machine.memory
  const { bodies, answers } = config.server.memory
  const wanted = LEAST_MEMORY + 2 * Math.max(0, bodies + answers - 32 * MB)
  const has = `${inWords(limit)} for the process, ${inWords(heap)} for its heap`
  if (limit >= wanted && heap >= wanted / 2) return [ok('memory', has)]
  return [
    warning(
      'memory',
      `${has}, and server.memory allows ${inWords(bodies + answers)} of requests and answers under way`,
      `Give it ${inWords(wanted)}, or lower server.memory and server.maxContentLength.`,
    ),
  ]
}

async function space({ config, paths, machine }: Patient): Promise<Seen[]> {
  const folders = new Map([[paths.data, 'data folder']])
  for (const ledger of config.ledgers)
    if (ledger.kind === 'embedded') folders.set(ledgerFolder(ledger, paths), `ledger "${ledger.id}"`)
  return Promise.all(
    [...folders].map(async ([folder, what]) => {
      const { free, total } = await machine.space(nearest(folder))
      const seen = `${inWords(free)} of ${inWords(total)} are free`
      const mend =
        'Make room, or put it on a larger disk: on a full one nothing more is stored (503), and reading goes on.'
      const subject = `disk of the ${what}`
      if (free < SPACE.problem) return problem(subject, seen, mend)
      return free < SPACE.warning ? warning(subject, seen, mend) : ok(subject, seen)
    }),
  )
}

function dataFolder({ paths: { data } }: Patient): Seen {
  const folder = nearest(data)
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    return problem(
      'data folder',
      `${folder} can't be written by this user: ${(error as Error).message}`,
      'Run this command as the user that the server runs as, or give that user the folder.',
    )
  }
  return folder === data
    ? ok('data folder', data)
    : ok('data folder', `${data} is not there yet: the first start of a server makes it`)
}

/** The folder, or what of the way to it is there. */
function nearest(folder: string): string {
  let at = folder
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

const inWords = (bytes: number): string =>
  bytes >= GB ? `${(bytes / GB).toFixed(1)} GiB` : `${Math.round(bytes / MB)} MiB`
