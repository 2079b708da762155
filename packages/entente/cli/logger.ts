import type { Logger } from './serve.ts'

const RANK = { info: 0, warn: 1, error: 2 }

/** Structured logs: a JSON object a line, on a stream. Never holds credentials or content of objects. */
export function createLogger(stream: NodeJS.WritableStream, least: keyof typeof RANK): Logger {
  return (level, message, details) => {
    if (RANK[level] < RANK[least]) return
    stream.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...details })}\n`)
  }
}
