import type { Args } from '../commands.ts'
import { loadConfig } from '../config.ts'
import { type Finding, GROUPS, type Patient, type Machine, runChecks } from '../doctor/check.ts'
import { toChecks } from '../doctor/checks.ts'
import { realMachine } from '../doctor/machine.ts'
import { CliError, EXIT } from '../errors.ts'
import { dataFolder } from '../options.ts'
import { counted, print } from '../print.ts'
import { createProgress } from '../progress.ts'
import { integerOf, isSet, positionals, textOf } from '../values.ts'

type Values = Record<string, unknown>

const DEFAULT_TIMEOUT_S = 15

/** Looks at everything that a server needs, and changes nothing. */
export async function run({ values, positionals: given }: Args): Promise<number> {
  positionals(given, [], 'doctor [--config FILE] [--data DIR]')
  const findings = await examine(values, realMachine())
  const count = (level: Finding['level']) => findings.filter(f => f.level === level).length
  const [problems, warnings] = [count('problem'), count('warning')]
  const summary = { ok: count('ok'), warnings, problems }
  print(isSet(values, 'json'), { healthy: problems === 0, ...summary, findings }, () => [
    ...toLines(findings, isSet(values, 'quiet')),
    problems + warnings === 0
      ? 'all is well'
      : `${counted(problems, 'problem')}, ${counted(warnings, 'warning')}, ${summary.ok} fine`,
  ])
  return problems === 0 ? EXIT.yes : EXIT.no
}

/** @throws CliError `usage` for options that are wrong; a configuration that is, is a finding */
export async function examine(values: Values, machine: Machine): Promise<Finding[]> {
  const timeoutMs = (integerOf(values, 'timeout', 1, 3600) ?? DEFAULT_TIMEOUT_S) * 1000
  let patient: Patient
  try {
    const file = textOf(values, 'config')
    patient = { ...loadConfig({ file, data: dataFolder(values), env: machine.env }), machine }
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const mend =
      'Correct the key that is named; docs/operating.md has an example of all of them. Nothing else was looked at.'
    return [{ group: 'configuration', subject: 'configuration', level: 'problem', seen: error.message, mend }]
  }
  const checks = toChecks(patient.config)
  const progress = createProgress(isSet(values, 'json'))
  let done = 0
  try {
    return await runChecks(checks, patient, timeoutMs, () => progress.update(++done, checks.length, 'checks'))
  } finally {
    progress.end()
  }
}

const MARKS = { ok: 'ok      ', warning: 'warning ', problem: 'PROBLEM ' }

function* toLines(findings: Finding[], isQuiet: boolean): Generator<string> {
  for (const group of GROUPS) {
    const shown = findings.filter(f => f.group === group && !(isQuiet && f.level === 'ok'))
    if (shown.length === 0) continue
    yield group
    for (const { level, subject, seen, ...rest } of shown) {
      yield `  ${MARKS[level]} ${subject}: ${seen.replaceAll('\n', '\n             ')}`
      if ('mend' in rest) yield `           ${rest.mend}`
    }
  }
}
