import type { IncomingMessage, ServerResponse } from 'node:http'
import { overloaded, TaxiiError } from './errors.ts'
import type { Bodies } from './memory.ts'

/** A body comes at least this fast, bytes a second (0: as slowly as it likes), once the grace is over. */
export type BodyPace = { minRate: number; graceMs: number }
export const DEFAULT_PACE: BodyPace = { minRate: 4096, graceMs: 10_000 }
/** How long a body waits for room that others have. */
const PATIENCE_MS = 30_000

/** Room that a body gets at first, and then at a time: what a client only announces costs nothing, and nothing is copied twice as it grows. */
const FIRST_BYTES = 65_536
const SEGMENT_BYTES = 1_048_576

/**
 * The body of a request, whole. Bytes are copied into segments as they come: kept as they come, a body of one-byte chunks would cost a
 * hundred times its size. Where `bodies` has no room left, no more is read until there is. What it took is given back when it is refused,
 * or when the response is closed.
 *
 * @param most bytes that are taken
 * @throws TaxiiError 413 beyond `most`, with Content-Length before anything is read; 408 for one that is too slow; 503 after `patienceMs` without
 *   room; 400 where the client ends before the body does
 */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  {
    most,
    bodies,
    pace,
    patienceMs = PATIENCE_MS,
  }: { most: number; bodies: Bodies; pace: BodyPace; patienceMs?: number },
): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > most) return Promise.reject(tooLarge(most))
  if (request.headers.expect !== undefined) response.writeContinue()
  return new Promise((resolve, reject) => {
    const claim = bodies.claim()
    const segments: Buffer[] = []
    let length = 0
    let room = 0
    const grow = (bytes: number) => {
      room = bytes
      segments.push(Buffer.allocUnsafeSlow(bytes))
    }
    /** Bytes that were not appended because they wait for room. */
    let kept: Buffer | undefined
    const append = (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        if (room === 0) {
          const standard = segments.length === 0 ? FIRST_BYTES : SEGMENT_BYTES
          const bytes = announced > length ? Math.min(announced - length, standard) : standard
          if (!claim.take(bytes, () => proceed(bytes))) return wait(chunk.subarray(at))
          grow(bytes)
        }
        const segment = segments.at(-1) as Buffer
        const copied = chunk.copy(segment, segment.length - room, at)
        at += copied
        room -= copied
        length += copied
      }
    }
    let waitedMs = 0
    let waitingSince: number | undefined
    const waited = () => waitedMs + (waitingSince === undefined ? 0 : performance.now() - waitingSince)
    const wait = (chunk: Buffer) => {
      kept = chunk
      waitingSince = performance.now()
      request.pause()
    }
    const proceed = (bytes: number) => {
      const chunk = kept as Buffer
      kept = undefined
      waitedMs = waited()
      waitingSince = undefined
      grow(bytes)
      append(chunk)
      if (!kept) request.resume()
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
      claim.release()
      if (waitingSince !== undefined) request.resume() // or the connection would not be read to its end
      reject(error)
    }
    const onData = (chunk: Buffer) => {
      if (length + chunk.length > most) end(tooLarge(most))
      else append(chunk)
    }
    const onEnd = () => end()
    const onBreak = () => end(new TaxiiError(400, 'body', 'the request ended before its body did'))
    const started = performance.now()
    const timer = setInterval(
      () => {
        if (waitingSince !== undefined && performance.now() - waitingSince > patienceMs)
          return end(overloaded('too many requests are under way'))
        const ms = performance.now() - started - waited()
        if (ms > pace.graceMs && (length * 1000) / ms < pace.minRate)
          end(
            new TaxiiError(
              408,
              'timeout',
              `the body came with less than ${pace.minRate} bytes a second: send less at once`,
            ),
          )
      },
      Math.min(1000, pace.graceMs, patienceMs),
    )
    response.once('close', () => {
      release()
      claim.release()
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
