import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'

/** Bytes of an answer: a provider's metadata and keys are some thousand. */
const MOST_BYTES = 524_288

/** `date` as the provider's clock has it (RFC 9110 section 6.6.1), where it says so. */
export type Answer = { status: number; body: Record<string, unknown>; date?: string | undefined }
export type Form = { fields: Record<string, string>; authorization: string | undefined }
/**
 * Asks the identity provider: GET, or POST of a form. Follows no redirect, waits no longer and reads no more than it should.
 *
 * @throws Error where nothing comes that is an answer: no connection, too slow, too large, not JSON, a status other than 200, 400 or 401
 */
export type Exchange = (url: string, form?: Form) => Promise<Answer>

/** @param ca PEM, of a provider with a certificate of an authority of its own */
export function createExchange({ timeoutMs, ca }: { timeoutMs: number; ca?: Buffer | undefined }): Exchange {
  return async (url, form) => {
    const { status, location, text, date } = await send(url, form, timeoutMs, ca)
    if (location !== undefined) throw new Error(`${url} redirects to ${location.slice(0, 200)}: configure that address`)
    if (status !== 200 && status !== 400 && status !== 401) throw new Error(`${url} answers with the status ${status}`)
    return { status, body: toObject(text, url), date }
  }
}

type Received = { status: number; location: string | undefined; text: string; date: string | undefined }

function send(url: string, form: Form | undefined, timeoutMs: number, ca: Buffer | undefined): Promise<Received> {
  return new Promise((resolve, reject) => {
    const body = form && new URLSearchParams(form.fields).toString()
    const headers = {
      accept: 'application/json',
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) }),
      ...(form?.authorization === undefined ? {} : { authorization: form.authorization }),
    }
    const method = body === undefined ? 'GET' : 'POST'
    // A connection for each: one that was kept may be closed by the provider at the moment in which it is used.
    const options = { method, headers, agent: false, ...(ca ? { ca } : {}) }
    const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, options, response => {
      const parts: Buffer[] = []
      let bytes = 0
      response.on('data', (part: Buffer) => {
        bytes += part.length
        parts.push(part)
        if (bytes > MOST_BYTES) fail(new Error(`${url} answers with more than ${MOST_BYTES} bytes`))
      })
      response.on('error', fail)
      response.on('close', () => fail(new Error(`${url} ended its answer too early`)))
      response.on('end', () => {
        clearTimeout(timer)
        const { statusCode = 0, headers: answered } = response
        const location = statusCode >= 300 && statusCode < 400 ? (answered.location ?? 'nowhere') : undefined
        resolve({ status: statusCode, location, text: Buffer.concat(parts).toString(), date: answered.date })
      })
    })
    const fail = (error: Error) => {
      clearTimeout(timer)
      request.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(new Error(`${url} did not answer in ${timeoutMs} ms`)), timeoutMs)
    request.on('error', fail)
    request.end(body)
  })
}

function toObject(text: string, url: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new Error(`${url} does not answer with JSON`, { cause })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Error(`${url} does not answer with a JSON object`)
  return parsed as Record<string, unknown>
}

/** Whether what is sent there is safe from those on the way: HTTPS, or this machine. */
export function isConfidential(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  const isLocal = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLocal)
}
