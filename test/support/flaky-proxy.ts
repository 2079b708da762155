import { connect, createServer, type Socket } from 'node:net'
import { freeLowPort } from './kafka.ts'

/** A TCP endpoint in front of a server, which may behave as bad networks do. */
export type FlakyProxy = {
  port: number
  /** From now on the server hears everything, and nobody hears the server. */
  loseAnswers(lose: boolean): void
  /** Keeps what clients send on the connections of now, also when they give up; `release` lets it arrive. */
  hold(): { release(): void }
  cut(): void
  close(): void
}

type Pair = { near: Socket; far: Socket; held: Buffer[] | undefined }

/** @param target the port behind, on loopback, which need not be open yet */
export async function startFlakyProxy(target: () => number): Promise<FlakyProxy> {
  const port = await freeLowPort()
  const pairs = new Set<Pair>()
  let losing = false
  const server = createServer(near => {
    const far = connect(target(), '127.0.0.1')
    const pair: Pair = { near, far, held: undefined }
    pairs.add(pair)
    near.on('error', () => {})
    far.on('error', () => {})
    near.on('data', chunk => {
      if (pair.held) pair.held.push(chunk)
      else far.write(chunk)
    })
    far.on('data', chunk => {
      if (!losing) near.write(chunk)
    })
    near.on('close', () => {
      if (!pair.held) far.destroy()
    })
    far.on('close', () => {
      pairs.delete(pair)
      near.destroy()
    })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const cut = () => {
    for (const { near, far } of pairs) {
      near.destroy()
      far.destroy()
    }
  }
  return {
    port,
    cut,
    loseAnswers: lose => {
      losing = lose
    },
    hold() {
      const held = [...pairs]
      for (const pair of held) pair.held = []
      return {
        release() {
          for (const pair of held) {
            pair.far.write(Buffer.concat(pair.held ?? []))
            pair.held = undefined
          }
        },
      }
    },
    close() {
      cut()
      server.close()
    },
  }
}
