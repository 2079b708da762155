import { connect, createServer, type Socket } from 'node:net'
import { freeLowPort } from './kafka.ts'

/** A TCP endpoint in front of a server: it may lose what the server answers, or cut all connections. */
export type FlakyProxy = {
  port: number
  /** From now on the server hears everything, and nobody hears the server. */
  loseAnswers(lose: boolean): void
  cut(): void
  close(): void
}

/** @param target the port behind, on loopback, which need not be open yet */
export async function startFlakyProxy(target: () => number): Promise<FlakyProxy> {
  const port = await freeLowPort()
  const sockets = new Set<Socket>()
  let losing = false
  const server = createServer(near => {
    const far = connect(target(), '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.on('data', chunk => {
        if (socket === near || !losing) other.write(chunk)
      })
    }
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    cut,
    loseAnswers: lose => {
      losing = lose
    },
    close() {
      cut()
      server.close()
    },
  }
}
