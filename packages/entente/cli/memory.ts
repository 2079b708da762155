import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  type CheckpointMemory,
  ClientError,
  createMemory,
  createWatch,
  type Ended,
  findContinuation,
  type LogSource,
  type SeenCheckpoint,
  type Watch,
} from '@entente/client'
import { openFileMemory } from '@entente/client/memory-files'
import type { Disagreement } from '@entente/verify/proof'
import { parseVkey } from '@entente/verify/tlog'
import { CliError } from './errors.ts'
import { openOutput } from './output.ts'
import { note } from './print.ts'
import { readSuccessions } from './trust.ts'
import { isSet, textOf } from './values.ts'

type Values = Record<string, unknown>

/** Where what was seen of logs is kept; undefined where nothing is to be: --no-memory, or ENTENTE_MEMORY set to nothing. */
export function memoryFolder(values: Values): string | undefined {
  const given = textOf(values, 'memory')
  if (isSet(values, 'no-memory')) {
    if (given !== undefined) throw new CliError('usage', 'either --memory DIR or --no-memory')
    return undefined
  }
  const { ENTENTE_MEMORY, XDG_STATE_HOME } = process.env
  if (given === undefined && ENTENTE_MEMORY === '') return undefined
  const state = XDG_STATE_HOME || join(homedir(), '.local', 'state')
  return resolve(given ?? ENTENTE_MEMORY ?? join(state, 'entente', 'checkpoints'))
}

/**
 * A watch over the log of `source` with the memory that the options name. What does not agree is written to an evidence file, and
 * ends the command with exit code 4.
 *
 * @param vkeys keys that the user gave
 */
export function openWatch(values: Values, source: LogSource | undefined, vkeys?: readonly string[]): Watch {
  const folder = memoryFolder(values)
  const memory = folder === undefined ? createMemory() : tolerant(openFileMemory(folder))
  const watch = createWatch({ source, memory, vkeys, successions: readSuccessions(values) })
  let isToSay = folder !== undefined && !isSet(values, 'json')
  const say = (text: string) => {
    if (isToSay) note(text)
    isToSay = false
  }
  const guard = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run()
    } catch (error) {
      throw error instanceof ClientError ? await toCliError(error, values) : error
    }
  }
  return {
    former: watch.former,
    check: checkpoint => guard(() => watch.check(checkpoint)),
    head: () =>
      guard(async () => {
        const seen = await watch.head()
        const [former] = await watch.former()
        const ended = source && seen && former && (await findContinuation(source, seen, former))
        if (ended) {
          if (!seen.before) say(describe(ended))
        } else if (former)
          say(
            `note: ${former.server} showed the log ${former.origin} before (${former.seen}), and now ${seen ? `another one, ${seen.origin}` : 'no log'}: ask its operator why`,
          )
        else if (seen?.key === 'first-use')
          say(
            `note: first sight of the log ${seen.origin}: its key, which the server itself gave, is believed from now on; --key pins one that came another way`,
          )
        return seen
      }),
  }
}

function describe({ from, to, size, last, seen, time }: Ended): string {
  const [old, next] = [from, to].map(vkey => parseVkey(vkey).name)
  const lost =
    seen > size
      ? `you had seen it at size ${seen}: what was in it behind ${size} is lost`
      : `all that you had seen of it is in the new one; ${last > size ? `its entries from ${size} to ${last} are lost` : 'nothing of it is known to be lost'}`
  return `note: the log ${old} has ended, as its key states (${time}), and goes on as ${next} from size ${size}; ${lost}. Its new key is believed by this statement alone: compare ${to} by another way`
}

/** Who can't write there is told so, and goes on: nothing that was remembered is lost by it. */
function tolerant(memory: CheckpointMemory): CheckpointMemory {
  let isSaid = false
  return {
    ...memory,
    keep: async (entry, compared) => {
      try {
        await memory.keep(entry, compared)
      } catch (error) {
        if (!(error instanceof ClientError)) throw error
        if (!isSaid)
          note(`warning: what was seen of the log is not remembered: ${error.message} (--memory DIR, --no-memory)`)
        isSaid = true
      }
    },
  }
}

async function toCliError(error: ClientError, values: Values): Promise<Error> {
  if (error.code !== 'disagreement') return error
  if (!error.evidence) return new CliError('evidence', error.message, { cause: error })
  const file = await saveEvidence(error.evidence, values)
  return new CliError('evidence', `${error.message}\n${evidenceIn(file)}`, {
    cause: error,
    details: { evidence: file },
  })
}

export const evidenceIn = (file: string): string =>
  `The evidence is in ${file}: keep it, show it to the operator and to others who read this log ("entente verify ${file} --key VKEY" checks it).`

/** Beside what is remembered, else in the working folder. The same disagreement is kept once. */
export async function saveEvidence(evidence: Disagreement, values: Values): Promise<string> {
  const folder = memoryFolder(values)
  const { found: _, asked: __, ...content } = evidence
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16)
  const into = folder === undefined ? process.cwd() : join(folder, 'evidence')
  const file = join(into, `entente-evidence-${evidence.kind}-${hash}.json`)
  mkdirSync(into, { recursive: true, mode: 0o700 })
  if (existsSync(file)) return file
  const output = openOutput(file)
  await output.write(`${JSON.stringify(evidence, null, 2)}\n`)
  output.commit()
  return file
}

/** What became of a comparison, for --json and in words. */
export function comparison({ before, size }: SeenCheckpoint): { json: object; words: string } | undefined {
  if (!before) return undefined
  const { size: was, seen, isCompared } = before
  const json = { size: was, seen, compared: isCompared }
  if (!isCompared)
    return {
      json,
      words: `not compared with size ${was}, which is remembered from ${seen}: --url SERVER asks for the proof`,
    }
  const how = was === size ? 'agrees with' : was < size ? 'continues' : 'is the beginning of'
  return { json, words: `${how} the checkpoint of size ${was} that is remembered from ${seen}` }
}
