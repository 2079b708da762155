import { ClientError } from './error.ts'

/** A message of an event stream. `id` is undefined where the message has none of its own; `data` where there is nothing but an id, which moves the place to go on from. */
export type StreamMessage = { type: string; data: string | undefined; id: string | undefined }

export type EventStreamParser = {
  /** Bytes as they come, cut anywhere; the messages that end in them. */
  push(chunk: Uint8Array): StreamMessage[]
  /** What `Last-Event-ID` is to say: of the last message with an id, or of an id that came alone. */
  lastId(): string | undefined
  /** Milliseconds that the server asked to wait before connecting again. */
  retryMs(): number | undefined
}

const RETRY = /^[0-9]{1,9}$/

/**
 * Parser of `text/event-stream` (WHATWG HTML section 9.2.6). A message that has not ended when the stream ends is dropped, as that section says.
 *
 * @param maxLength characters of a message at most, and of a line
 * @throws ClientError `too-big`, by `push`
 */
export function createEventStreamParser(maxLength: number, lastId?: string): EventStreamParser {
  const decoder = new TextDecoder() // section 9.2.6: UTF-8, without a byte order mark at the beginning
  let begun: string[] = [] // pieces of the line that has not ended
  let length = 0 // of the line and the message so far
  let isAfterCr = false
  let retryMs: number | undefined
  let data: string[] = []
  let type = ''
  let id: string | undefined

  function grow(characters: number): void {
    length += characters
    if (length > maxLength)
      throw new ClientError('too-big', `a message of more than ${maxLength} characters in an event stream`)
  }

  function takeLine(line: string, messages: StreamMessage[]): void {
    if (line === '') {
      lastId = id ?? lastId // not before: a message that is cut off has not come
      if (data.length > 0 || id !== undefined)
        messages.push({ type: type === '' ? 'message' : type, data: data.length > 0 ? data.join('\n') : undefined, id })
      data = []
      type = ''
      id = undefined
      length = 0
      return
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data.push(value)
    else length -= line.length // only data is held
    if (field === 'event') type = value.slice(0, 100)
    else if (field === 'id' && !value.includes('\0')) id = value
    else if (field === 'retry' && RETRY.test(value)) retryMs = Number(value)
  }

  return {
    lastId: () => lastId,
    retryMs: () => retryMs,
    push(chunk) {
      const messages: StreamMessage[] = []
      const text = decoder.decode(chunk, { stream: true })
      if (text === '') return messages
      let at = isAfterCr && text[0] === '\n' ? 1 : 0
      isAfterCr = text.endsWith('\r')
      let cr = text.indexOf('\r', at)
      for (;;) {
        const lf = text.indexOf('\n', at)
        if (cr >= 0 && cr < at) cr = text.indexOf('\r', at)
        const end = cr >= 0 && (lf < 0 || cr < lf) ? cr : lf
        if (end < 0) break
        begun.push(text.slice(at, end))
        grow(end - at)
        takeLine(begun.length === 1 ? (begun[0] as string) : begun.join(''), messages)
        begun = []
        at = end === cr && lf === cr + 1 ? end + 2 : end + 1
      }
      if (at < text.length) begun.push(text.slice(at))
      grow(text.length - at)
      return messages
    },
  }
}
