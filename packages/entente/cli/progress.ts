export type Progress = { update(done: number, total: number, what: string): void; end(): void }

const WIDTH = 30
const EVERY_MS = 80

/** A bar on a terminal's standard error, redrawn in place; nothing where there is no terminal, or with --json. */
export function createProgress(isJson: boolean, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (isJson || !stream.isTTY) return { update: () => {}, end: () => {} }
  let drawn = 0
  let isDrawn = false
  let shown = ''
  return {
    update(done, total, what) {
      const now = performance.now()
      const text = `${done} ${total} ${what}`
      if (text === shown || (now - drawn < EVERY_MS && done < total)) return
      shown = text
      drawn = now
      isDrawn = true
      const filled = total === 0 ? WIDTH : Math.min(WIDTH, Math.floor((done / total) * WIDTH))
      const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled)
      const [a, b] = [done, total].map(n => n.toLocaleString('en-US'))
      stream.write(`\r\x1b[K${bar} ${a}/${b} ${what}`.slice(0, (stream.columns || 80) + 4))
    },
    end() {
      if (isDrawn) stream.write('\r\x1b[K')
      isDrawn = false
    },
  }
}
