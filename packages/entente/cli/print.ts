/** Writes one JSON object, or lines of text, to standard output. */
export function print(isJson: boolean, json: unknown, lines: () => string[]): void {
  process.stdout.write(isJson ? `${JSON.stringify(json)}\n` : `${lines().join('\n')}\n`)
}

/** A line on standard error; never with --json, where standard output says it all. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** `1 object`, `1,826 objects` */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}

/** Columns, each as wide as its widest cell. */
export function table(rows: string[][]): string[] {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows.map(row =>
    row
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join('  ')
      .trimEnd(),
  )
}
