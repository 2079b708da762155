import { TLSSocket } from 'node:tls'
import type { Identify, Principal } from './auth.ts'

/** Who has certificates of a subject: its parts (RFC 5280 section 4.1.2.6) in their order, such as `O=Example`, `CN=feed`. */
export type CertificateUser = { subject: readonly string[]; name: string; roles: readonly string[] }

/**
 * Knows users by the subject of their client's certificate, which TLS has verified up to one of the server's authorities. A certificate is one
 * of nobody once it has expired, on connections that are open too; whether it was revoked is not looked at.
 *
 * @param now milliseconds since 1970
 */
export function certificateIdentify(users: readonly CertificateUser[], now: () => number): Identify {
  const bySubject = new Map(users.map(({ subject, name, roles }) => [subject.join('\n'), { name, roles }]))
  /** What a connection's certificate says doesn't change. */
  const known = new WeakMap<TLSSocket, { principal: Principal | undefined; until: number }>()

  function look(socket: TLSSocket): { principal: Principal | undefined; until: number } {
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
    if (!certificate) return { principal: undefined, until: 0 }
    return { principal: bySubject.get(certificate.subject), until: Date.parse(certificate.validTo) }
  }

  return socket => {
    if (!(socket instanceof TLSSocket)) return undefined
    const found = known.get(socket) ?? look(socket)
    known.set(socket, found)
    return now() < found.until ? found.principal : undefined
  }
}
