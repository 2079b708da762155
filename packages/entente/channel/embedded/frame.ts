import type { Message } from '../channel.ts'

/** How long a client waits before it connects again, milliseconds. */
const RETRY_MS = 2000

/** An event stream, WHATWG HTML section 9.2.5: lines that end with LF, and an empty line behind each event. Our JSON has no line breaks. */
export function eventFrame({ event, body }: Pick<Message, 'event' | 'body'>, position?: number): Buffer {
  const id = position === undefined ? '' : `id: ${position}\n`
  return Buffer.concat([Buffer.from(`${id}event: ${event}\ndata: `), body, END])
}
const END = Buffer.from('\n\n')

/**
 * Sets the last event id and dispatches nothing (section 9.2.6: an event without data), so that a client that saw none of the latest events resumes
 * behind them.
 *
 * @param next the place that comes next
 */
export const placeFrame = (next: number): Buffer => Buffer.from(`:\nid: ${next === 0 ? 'start' : next - 1}\n\n`)

export const openingFrame = (next: number): Buffer =>
  Buffer.concat([Buffer.from(`retry: ${RETRY_MS}\n`), placeFrame(next)])

/** It has an id too: who was told is not told again. */
export const gapFrame = (data: string, next: number): Buffer =>
  Buffer.from(`id: ${next === 0 ? 'start' : next - 1}\nevent: gap\ndata: ${data}\n\n`)
