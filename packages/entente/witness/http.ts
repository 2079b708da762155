import { createHash } from 'node:crypto'

export type HttpWitnessOptions = {
  vkey: string
  /** Submission prefix (C2SP tlog-witness). */
  url: string
  /** Monitoring prefix, where it is another. */
  monitoringUrl?: string | undefined
  /** For an answer in whole, milliseconds. */
  timeoutMs: number
}

/** A witness that is spoken to over HTTP. */
export type HttpWitness = {
  vkey: string
  add(body: string): Promise<{ status: number; body: string }>
  latest(origin: string): Promise<string | undefined>
}

/** Some cosignatures of some kilobytes each (ML-DSA-44), or a checkpoint with as many. */
const MAX_BYTES = 131_072

/** C2SP tlog-witness, from the side of the log. Redirects are not followed: who answers is who was asked. */
export function createHttpWitness({ vkey, url, monitoringUrl = url, timeoutMs }: HttpWitnessOptions): HttpWitness {
  const ask = async (address: string, request: RequestInit) => {
    try {
      const response = await fetch(address, { ...request, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
      return { status: response.status, body: await readText(response) }
    } catch (cause) {
      const { message, cause: reason } = cause as Error
      const why = reason instanceof Error ? (reason as NodeJS.ErrnoException).code || reason.message : message
      throw new Error(`${address}: ${why}`, { cause })
    }
  }
  return {
    vkey,
    add: body =>
      ask(`${trim(url)}/add-checkpoint`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
      }),
    latest: async origin => {
      const { status, body } = await ask(`${trim(monitoringUrl)}/${originHash(origin)}/checkpoint`, {})
      return status === 200 ? body : undefined
    },
  }
}

/** tlog-witness, "Monitor Retrieval Mechanism": the SHA-256 of the origin in lower-case hex. */
export const originHash = (origin: string): string => createHash('sha256').update(origin).digest('hex')

const trim = (url: string): string => (url.endsWith('/') ? url.slice(0, -1) : url)

async function readText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += (part as Uint8Array).length
    if (length > MAX_BYTES) throw new Error(`the answer has more than ${MAX_BYTES} bytes`)
    parts.push(part as Uint8Array)
  }
  return Buffer.concat(parts).toString()
}
