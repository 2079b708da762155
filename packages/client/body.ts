import { ClientError } from './error.ts'

/**
 * Reads the whole body of an answer, and not more than `maxBytes` of it.
 *
 * @throws ClientError `too-big`; whatever a connection that breaks throws
 */
export async function readBody(response: Response, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(response.headers.get('content-length') ?? 0)
  if (announced > maxBytes) {
    await response.body?.cancel()
    throw tooBig(response, announced, maxBytes)
  }
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (;;) {
    const read = await reader?.read()
    if (!read || read.done) break
    const chunk = read.value as Uint8Array
    size += chunk.length
    if (size > maxBytes) {
      await reader?.cancel()
      throw tooBig(response, size, maxBytes)
    }
    chunks.push(chunk)
  }
  if (chunks.length === 1) return chunks[0] as Uint8Array
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

const tooBig = (response: Response, size: number, most: number) =>
  new ClientError(
    'too-big',
    `${response.url} answers with ${size} bytes or more, at most ${most} are read: ask for smaller pages, or raise maxResponseBytes`,
    { url: response.url, status: response.status },
  )
