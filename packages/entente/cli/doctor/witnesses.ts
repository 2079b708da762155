import { existsSync } from 'node:fs'
import { parseCheckpoint, parseVkey, verifyNote } from '@entente/verify/tlog'
import { createHttpWitness, originHash } from '#witness/http.ts'
import type { Config } from '../config.ts'
import { originOf } from '../configured-ledgers.ts'
import { quorumOf } from '../witness-config.ts'
import { type Check, ok, type Patient, problem, type Seen, warning } from './check.ts'

export const witnessChecks = ({ log }: Config): Check[] =>
  log.witnesses.length === 0 ? [] : [{ name: 'witnesses', group: 'witnesses', run: look }]

async function look(patient: Patient): Promise<Seen[]> {
  const { log } = patient.config
  const each = await Promise.all(log.witnesses.map(witness => ask(witness, patient)))
  const [there, quorum] = [each.filter(s => s.level === 'ok').length, quorumOf(log)]
  const seen = `${there} of ${each.length} answer, and ${quorum} must cosign`
  const total =
    there >= quorum
      ? ok('quorum', seen)
      : problem('quorum', seen, 'Bring witnesses back: until then nothing new is anchored, and publishing goes on.')
  return [...each, total]
}

async function ask({ vkey, url, monitoringUrl }: Config['log']['witnesses'][number], patient: Patient): Promise<Seen> {
  const { config, paths } = patient
  const key = parseVkey(vkey)
  const subject = `witness ${key.name}`
  if (config.log.origin === undefined && !existsSync(paths.logKey))
    return ok(subject, 'nothing to ask it before the first start')
  const origin = originOf(config, paths)
  const link = createHttpWitness({ vkey, url, monitoringUrl, timeoutMs: config.log.witnessTimeoutMs })
  let note: string | undefined
  try {
    note = await link.latest(origin)
  } catch (error) {
    return warning(
      subject,
      (error as Error).message,
      'See whether it runs, and whether its url and monitoringUrl are right.',
    )
  }
  if (note === undefined)
    return warning(
      subject,
      `it shows nothing of ${origin} (${originHash(origin).slice(0, 16)}…)`,
      'Have its operator add this log, by the verifier key of /log/key.',
    )
  try {
    const { size } = parseCheckpoint(verifyNote(note, [key]).text)
    return ok(subject, `it has cosigned size ${size}`)
  } catch (error) {
    return problem(
      subject,
      (error as Error).message,
      'Ask its operator for its verifier key, and correct log.witnesses.',
    )
  }
}
