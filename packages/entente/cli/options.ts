/** `--data`, else ENTENTE_DATA, else `./data`. */
export function dataFolder(values: Record<string, unknown>): string {
  return (values['data'] as string | undefined) ?? process.env['ENTENTE_DATA'] ?? 'data'
}
