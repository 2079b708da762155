import type { IncomingMessage, ServerResponse } from 'node:http'
import { TaxiiError } from './errors.ts'
import type { Budget } from './memory.ts'

/** A body comes at least this fast, bytes a second (0: as slowly as it likes), once the grace is over. */
export type BodyPace = { minRate: number; graceMs: number }
export const DEFAULT_PACE: BodyPace = { minRate: 4096, graceMs: 10_000 }

/** Room that a body gets at first, and then at a time: what a client only announces costs nothing, and nothing is copied twice as it grows. */
const FIRST_BYTES = 65_536
const SEGMENT_BYTES = 1_048_576

/**
 * The body of a request, whole. Bytes are copied into segments as they come: kept as they come, a body of one-byte chunks would cost a
 * hundred times its size. What it takes of `budget` is given back when the response is closed.
 *
 * @param most bytes that are taken
 * @throws TaxiiError 413 beyond `most`, with Content-Length before anything is read; 408 for one that is too slow; 503 where the budget is spent;
 *   400 where the client ends before the body does
 */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { most, budget, pace }: { most: number; budget: Budget; pace: BodyPace },
): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > most) return Promise.reject(tooLarge(most))
  if (request.headers.expect !== undefined) response.writeContinue()
  return new Promise((resolve, reject) => {
    const segments: Buffer[] = []
    let length = 0
    let room = 0
    let held = 0
    const append = (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        if (room === 0) {
          const most = segments.length === 0 ? FIRST_BYTES : SEGMENT_BYTES
          room = announced > length ? Math.min(announced - length, most) : most
          budget.take(room)
          held += room
          segments.push(Buffer.allocUnsafeSlow(room))
        }
        const segment = segments.at(-1) as Buffer
        const copied = chunk.copy(segment, segment.length - room, at)
        at += copied
        room -= copied
        length += copied
      }
    }
    /** Detached, their memory is free now and not at the next collection: what is refused by the megabyte must not add up. */
    const release = () => {
      for (const { buffer } of segments.splice(0)) (buffer as ArrayBuffer).transfer(0)
    }
    const whole = (): Buffer => {
      const [first, ...rest] = segments
      if (first && rest.length === 0) return first.subarray(0, length)
      const body = Buffer.concat(segments, length) // not counted: for the moment in which it is parsed
      release()
      segments.push(body)
      return body
    }
    const end = (error?: Error): void => {
      clearInterval(timer)
      request.off('data', onData).off('end', onEnd).off('error', onBreak).off('close', onBreak)
      if (!error) return resolve(whole())
      release()
      reject(error)
    }
    const onData = (chunk: Buffer) => {
      try {
        if (length + chunk.length > most) throw tooLarge(most)
        append(chunk)
      } catch (error) {
        end(error as Error)
      }
    }
    const onEnd = () => end()
    const onBreak = () => end(new TaxiiError(400, 'body', 'the request ended before its body did'))
    const started = performance.now()
    const timer = setInterval(
      () => {
        const ms = performance.now() - started
        if (ms > pace.graceMs && (length * 1000) / ms < pace.minRate)
          end(
            new TaxiiError(
              408,
              'timeout',
              `the body came with less than ${pace.minRate} bytes a second: send less at once`,
            ),
          )
      },
      Math.min(1000, pace.graceMs),
    )
    response.once('close', () => {
      budget.giveBack(held)
      release()
    })
    request.on('data', onData).on('end', onEnd).on('error', onBreak).on('close', onBreak)
  })
}

function tooLarge(most: number): TaxiiError {
  return new TaxiiError(
    413,
    'too-large',
    `the body is larger than the ${most} bytes that are taken (max_content_length of the API root): send it in parts`,
  )
}
