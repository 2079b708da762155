import { createHash, createPrivateKey } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { encodeBase64, parseVkey } from '@entente/verify/tlog'
import { openPrivateKey, toLogKey } from '#notary/key.ts'
import { openWitnessState, type WitnessedLog } from '#witness/state.ts'
import { createWitness, type Misconduct, readLogKey, type Witness } from '#witness/witness.ts'
import type { Config, Paths } from './config.ts'
import { CliError } from './errors.ts'
import type { Fault, Logger } from './open-log.ts'

export type OpenWitness = Witness & { readonly name: string; addLog(log: WitnessedLog): void; close(): void }

/** Files of evidence that are kept: whoever holds the key of a log could make more without end. */
const MOST_EVIDENCE = 100

/**
 * Opens the witness that the configuration names. Its key and its state are made together, and belong together: a key without its state would
 * cosign another history, so it does nothing.
 *
 * @param isNewState the key is there and has never cosigned anything
 * @throws CliError `usage` without `witness:`; WitnessError `state`, `log`; NotaryError `integrity` where the key is missing
 */
export function openWitness(
  config: Config,
  paths: Paths,
  log: Logger,
  { fault, isNewState = false }: { fault?: Fault | undefined; isNewState?: boolean } = {},
): OpenWitness {
  const wanted = config.witness
  if (!wanted) throw new CliError('usage', 'the configuration has no "witness:" with a name (docs/operating.md)')
  const at = (path: string, base: string) => (isAbsolute(path) ? path : join(base, path))
  const folder = at(wanted.stateFolder, wanted.stateFolder === './witness' ? paths.data : paths.base)
  const keyFile = wanted.keyFile === undefined ? join(folder, 'witness.key') : at(wanted.keyFile, paths.base)
  const state = openWitnessState(folder, isNewState || !existsSync(keyFile))
  try {
    const missing = `the witness's key is missing, and it has cosigned ${state.all().length} logs with it. Restore it; a new key is a new witness, with a new state`
    const key = openPrivateKey(keyFile, state.all().length === 0, missing)
    const { signer, vkey } = toLogKey(wanted.name, key)
    const isLogKey = existsSync(paths.logKey) && createPrivateKey(readFileSync(paths.logKey)).equals(key)
    if (isLogKey)
      throw new CliError(
        'usage',
        `${keyFile} is the log's key too: a witness needs one of its own (C2SP tlog-cosignature)`,
      )
    const witness = createWitness({
      name: wanted.name,
      publicKey: parseVkey(vkey).publicKey,
      sign: signer.sign,
      state,
      logs: wanted.logs.map(({ vkey, origin }) => ({ vkey, origin: origin ?? readLogKey(vkey).name })),
      alert: (message, misconduct) => {
        const { origin } = misconduct
        try {
          log('error', message, { origin, evidence: keepEvidence(folder, misconduct, wanted.name) })
        } catch (error) {
          log('error', message, { origin, error: `the evidence was not kept: ${(error as Error).message}` })
        }
      },
      ...(fault ? { fault } : {}),
    })
    return { ...witness, name: wanted.name, addLog: state.addLog, close: state.close }
  } catch (error) {
    state.close()
    throw error
  }
}

/** A log that was convicted by what it signed: written down for "entente verify" (docs/formats.md 12). */
function keepEvidence(folder: string, { vkey, shown, remembered, fork }: Misconduct, name: string): string | undefined {
  if (!fork) return undefined
  const { root, consistency } = fork
  const now = new Date().toISOString()
  const proof = root && consistency ? { root: encodeBase64(root), consistency: consistency.map(encodeBase64) } : {}
  const common = { format: 'entente/evidence/v1', kind: 'fork', found: now, server: `shown to the witness ${name}` }
  const evidence = { ...common, asked: ['add-checkpoint'], vkey, shown, remembered, seen: now, ...proof }
  const place = join(folder, 'evidence')
  mkdirSync(place, { recursive: true, mode: 0o700 })
  const file = join(
    place,
    `fork-${createHash('sha256')
      .update(remembered + shown)
      .digest('hex')
      .slice(0, 16)}.json`,
  )
  if (!existsSync(file) && readdirSync(place).length < MOST_EVIDENCE)
    writeFileSync(file, `${JSON.stringify(evidence, null, 2)}\n`)
  return existsSync(file) ? file : undefined
}
