import type { IncomingMessage, ServerResponse } from 'node:http'
import { TaxiiError } from './errors.ts'
import type { Budget } from './memory.ts'

/** A body comes at least this fast, bytes a second, once the grace is over. */
export type BodyPace = { minRate: number; graceMs: number }
export const DEFAULT_PACE: BodyPace = { minRate: 4096, graceMs: 10_000 }

/** Room that a body gets at first; it doubles from there, so that what a client only announces costs nothing. */
const FIRST_BYTES = 65_536

/**
 * The body of a request, whole. Bytes are copied into one buffer as they come: kept as they come, a body of one-byte chunks would cost a
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
    let body = Buffer.alloc(0)
    let length = 0
    let held = 0
    const grow = (needed: number) => {
      const size = Math.min(most, Math.max(needed, body.length * 2, Math.min(announced, FIRST_BYTES)))
      budget.take(size - held)
      held = size
      const larger = Buffer.allocUnsafe(size)
      body.copy(larger, 0, 0, length)
      body = larger
    }
    const end = (error?: Error) => {
      clearInterval(timer)
      request.off('data', onData).off('end', onEnd).off('error', onBreak).off('close', onBreak)
      if (error) reject(error)
      else resolve(body.subarray(0, length))
    }
    const onData = (chunk: Buffer) => {
      try {
        if (length + chunk.length > most) throw tooLarge(most)
        if (length + chunk.length > body.length) grow(length + chunk.length)
        length += chunk.copy(body, length)
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
    response.once('close', () => budget.giveBack(held))
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
