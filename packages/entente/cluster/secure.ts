import { connect, createServer, type Server, type TLSSocket } from 'node:tls'

/**
 * TLS 1.2 with a pre-shared key and ephemeral Diffie-Hellman (RFC 8442; RFC 7905): whoever has the log's key, and nobody else, is at the other end, and there
 * are no certificates to look after.
 */
const SECURE = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const
const IDENTITY = 'entente/cluster/v1'
/** How long a connection may take to be made. */
const CONNECT_MS = 1000

export function createSecureServer(psk: Buffer, take: (socket: TLSSocket) => void): Server {
  const pskCallback = (_socket: TLSSocket, identity: string) => (identity === IDENTITY ? psk : null)
  const server = createServer({ ...SECURE, pskCallback, handshakeTimeout: CONNECT_MS }, socket => {
    socket.setNoDelay(true)
    take(socket)
  })
  // Somebody without the key.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

/** @throws what the system says: `ECONNREFUSED` where no process listens */
export function connectSecurely(address: string, psk: Buffer): Promise<TLSSocket> {
  const at = address.lastIndexOf(':')
  const [host, port] = [address.slice(0, at).replace(/^\[|\]$/g, ''), Number(address.slice(at + 1))]
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...SECURE,
      pskCallback: () => ({ psk, identity: IDENTITY }),
      // There is no certificate: who has the key is who it should be.
      checkServerIdentity: () => undefined,
    })
    const timer = setTimeout(() => socket.destroy(new Error(`${address} does not answer`)), CONNECT_MS)
    socket.once('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('close', () => reject(new Error(`${address} closed the connection`)))
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}
