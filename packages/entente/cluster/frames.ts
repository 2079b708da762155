import type { Duplex } from 'node:stream'

/** What goes between two servers: a head, and bytes that it is about. */
export type Frame = { head: Record<string, unknown>; body: Buffer }

const SIZES = 8
export const NO_BODY: Buffer = Buffer.alloc(0)
/** Of a head: a kind, a number, an error. */
const MOST_HEAD = 65_536

/** Length of the head and of the body (4 bytes each, big-endian), the head as JSON, the body. */
export function formatFrame({ head, body }: Frame): Buffer {
  const json = Buffer.from(JSON.stringify(head))
  const frame = Buffer.allocUnsafe(SIZES + json.length + body.length)
  frame.writeUInt32BE(json.length, 0)
  frame.writeUInt32BE(body.length, 4)
  json.copy(frame, SIZES)
  body.copy(frame, SIZES + json.length)
  return frame
}

/** Writes frames to a connection: those of one turn of the event loop together, each write being a system call here and a wakeup there. */
export function createWriter(stream: Duplex): (frame: Frame) => void {
  let isHeld = false
  return frame => {
    if (!isHeld) {
      isHeld = true
      stream.cork()
      setImmediate(() => {
        isHeld = false
        stream.uncork()
      })
    }
    stream.write(formatFrame(frame))
  }
}

/**
 * Gives each frame that arrives. What is no frame ends the connection: the other side is a server of the same log, so that is a fault.
 *
 * @param maxBytes of a body
 */
export function readFrames(stream: Duplex, maxBytes: number, take: (frame: Frame) => void): void {
  let parts: Buffer[] = []
  let have = 0
  let need = SIZES
  stream.on('data', (chunk: Buffer) => {
    parts.push(chunk)
    have += chunk.length
    if (have < need) return
    let all = parts.length === 1 ? chunk : Buffer.concat(parts)
    for (;;) {
      need = SIZES
      if (all.length < need) break
      const [head, body] = [all.readUInt32BE(0), all.readUInt32BE(4)]
      if (head > MOST_HEAD || body > maxBytes)
        return void stream.destroy(new Error(`a frame of ${head} + ${body} bytes`))
      need = SIZES + head + body
      if (all.length < need) break
      try {
        const json: unknown = JSON.parse(all.toString('utf8', SIZES, SIZES + head))
        take({ head: json as Frame['head'], body: all.subarray(SIZES + head, need) })
      } catch (error) {
        return void stream.destroy(error as Error)
      }
      all = all.subarray(need)
    }
    parts = all.length > 0 ? [all] : []
    have = all.length
  })
}
