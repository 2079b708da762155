import type { Clock } from '#notary/time.ts'
import type { Config, Paths } from '../config.ts'

/** In the order in which they are shown. */
export const GROUPS = [
  'configuration',
  'machine',
  'clocks',
  'store',
  'ledgers',
  'witnesses',
  'brokers',
  'identity',
  'server',
] as const
export type Group = (typeof GROUPS)[number]

/** What a check saw of one thing. Whatever is not right says in a sentence how to mend it. */
export type Seen = { subject: string; seen: string; group?: Group | undefined } & (
  | { level: 'ok' }
  | { level: 'warning' | 'problem'; mend: string }
)
export type Finding = Seen & { group: Group }

/** What checks look at: it is passed in, so that a test can have any of it otherwise. */
export type Machine = {
  clock: Clock
  env: NodeJS.ProcessEnv
  /** Bytes of the file system that a path lies on; free for whoever asks. */
  space(path: string): Promise<{ free: number; total: number }>
  nodeVersion: string
  /** Bytes that this process may have at most, and that its heap may have. */
  memory: { limit: number; heap: number }
}
export type Patient = { config: Config; paths: Paths; machine: Machine }

/**
 * One thing to look at, by itself: it MUST NOT change anything, here or elsewhere, and works whether or not a server runs. What it throws is a problem that is
 * found. To add one, write such a function and name it in `checks.ts`.
 */
export type Check = {
  name: string
  group: Group
  run(patient: Patient): Promise<Seen[]>
}

export const ok = (subject: string, seen: string, group?: Group): Seen => ({ level: 'ok', subject, seen, group })
export const warning = (subject: string, seen: string, mend: string, group?: Group): Seen => ({
  level: 'warning',
  subject,
  seen,
  mend,
  group,
})
export const problem = (subject: string, seen: string, mend: string, group?: Group): Seen => ({
  level: 'problem',
  subject,
  seen,
  mend,
  group,
})

/** Runs all of them side by side, none for longer than `timeoutMs`; what they found comes in the order of {@link GROUPS}. */
export async function runChecks(
  checks: readonly Check[],
  patient: Patient,
  timeoutMs: number,
  done: (check: Check) => void = () => {},
): Promise<Finding[]> {
  const found = await Promise.all(
    checks.map(async check => {
      const seen = await runOne(check, patient, timeoutMs)
      done(check)
      return seen.map(s => ({ ...s, group: s.group ?? check.group }))
    }),
  )
  return found.flat().sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group))
}

async function runOne(check: Check, patient: Patient, timeoutMs: number): Promise<Seen[]> {
  const late = Promise.withResolvers<Seen[]>()
  const timer = setTimeout(
    () =>
      late.resolve([
        problem(
          check.name,
          `no answer within ${timeoutMs / 1000} s`,
          'Find out why it is so slow, or give it longer with --timeout.',
        ),
      ]),
    timeoutMs,
  )
  try {
    return await Promise.race([check.run(patient), late.promise])
  } catch (error) {
    return [problem(check.name, (error as Error).message, 'Do what the message says, and look again.')]
  } finally {
    clearTimeout(timer)
  }
}
