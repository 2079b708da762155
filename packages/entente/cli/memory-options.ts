/** Options that say where what was seen of logs is remembered; openWatch of memory.ts reads them. */
export const MEMORY_OPTIONS = {
  memory: { type: 'string' },
  'no-memory': { type: 'boolean' },
} as const

export const MEMORY_HELP = {
  '--memory DIR':
    'where the largest checkpoint of each log is remembered, and evidence is written (default: ~/.local/state/entente/checkpoints, or ENTENTE_MEMORY)',
  '--no-memory': 'compare with nothing from before, and remember nothing',
}
