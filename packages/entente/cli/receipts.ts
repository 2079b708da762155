import { readFileSync } from 'node:fs'
import { CliError } from './errors.ts'

/**
 * The receipts that "publish --receipts" keeps in a file (docs/formats.md 6): signed notes, unverified.
 *
 * @throws CliError `usage`
 */
export function readReceipts(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CliError('usage', (cause as Error).message, { cause })
  }
  try {
    const { format, receipts } = JSON.parse(text) as { format?: unknown; receipts?: unknown }
    if (format === 'entente/receipts/v1' && Array.isArray(receipts) && receipts.every(r => typeof r === 'string'))
      return receipts as string[]
  } catch {}
  throw new CliError('usage', `${file} is there and holds no receipts: name another file`)
}
