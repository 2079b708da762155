import { ProductError } from './error.ts'
import { createCounter } from './input.ts'

/**
 * Rows of a CSV file by the names of its columns (RFC 4180): commas, quotes doubled, line breaks in quoted fields.
 *
 * @throws ProductError `syntax`, `too-big`
 */
export function parseCsv(text: string, what: string): Record<string, string>[] {
  const rows = fields(text, what)
  const header = rows.shift()
  if (header === undefined) throw new ProductError('syntax', `${what} is empty`)
  return rows.map((row, i) => {
    if (row.length !== header.length) {
      throw new ProductError('syntax', `${what}: row ${i + 2} has ${row.length} fields, the header ${header.length}`)
    }
    return Object.fromEntries(header.map((name, column) => [name, row[column] ?? '']))
  })
}

function fields(text: string, what: string): string[][] {
  const count = createCounter(`${what}: fields`, 5_000_000)
  const rows: string[][] = []
  let row: string[] = []
  let at = 0
  while (at < text.length) {
    count()
    let field: string
    if (text[at] === '"') [field, at] = quoted(text, at + 1, what)
    else {
      const start = at
      while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++
      field = text.slice(start, at)
    }
    row.push(field)
    if (text[at] === ',') {
      at++
      if (at < text.length && text[at] !== '\n' && text[at] !== '\r') continue
      row.push('')
    }
    if (text[at] === '\r') at++
    if (at < text.length && text[at] !== '\n') throw new ProductError('syntax', `${what}: a quote ends within a field`)
    at++
    rows.push(row)
    row = []
  }
  return rows
}

/** The field whose first character is at `at`, and where it ended. */
function quoted(text: string, start: number, what: string): [field: string, at: number] {
  let field = ''
  let at = start
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote < 0) throw new ProductError('syntax', `${what}: a quoted field has no end`)
    field += text.slice(at, quote)
    if (text[quote + 1] !== '"') return [field, quote + 1]
    field += '"'
    at = quote + 2
  }
}
