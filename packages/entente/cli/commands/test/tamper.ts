import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** Somebody between a server and its clients who changes events on the way, message by message, and answers some paths instead of it. */
export async function startTamper(
  t: TestContext,
  upstream: string,
  change: (message: string) => string,
  answers: Record<string, string> = {},
): Promise<string> {
  const server = createServer((asked, answer) => {
    const { method, headers, url = '/' } = asked
    if (answers[url] !== undefined) return void answer.end(answers[url])
    const forwarded = request(new URL(url, upstream), { method, headers }, given => {
      answer.writeHead(given.statusCode ?? 500, given.headers)
      answer.flushHeaders()
      if (!given.headers['content-type']?.includes('event-stream')) return void given.pipe(answer)
      let rest = ''
      given.setEncoding('utf8').on('data', chunk => {
        const messages = (rest + chunk).split('\n\n')
        rest = messages.pop() as string
        for (const message of messages) answer.write(`${change(message)}\n\n`)
      })
      given.on('end', () => answer.end())
      answer.on('close', () => given.destroy())
    })
    forwarded.on('error', () => answer.destroy())
    asked.pipe(forwarded)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
