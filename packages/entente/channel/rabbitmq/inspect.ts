import type { ChannelState } from '../channel.ts'
import { ChannelError } from '../error.ts'
import { onChannel, parseBroker, type RabbitTls, replyCode } from './connection.ts'
import { ACCESS_REFUSED, ensureExchange, NOT_FOUND } from './exchange.ts'

/**
 * Looks at what there is of each channel's exchange, and makes nothing.
 *
 * @throws ChannelError `invalid`, `unreachable`, `refused`: of the connection
 */
export async function inspectRabbit(options: {
  url: string
  tls?: RabbitTls | undefined
  prefix?: string | undefined
  channels: readonly string[]
}): Promise<ChannelState[]> {
  const { url, tls, prefix = '', channels } = options
  const broker = parseBroker(url, tls)
  const connection = await broker.connect().catch(cause => {
    throw broker.error(cause)
  })
  try {
    const states: ChannelState[] = []
    for (const channel of channels) {
      const address = `${prefix}${channel}`
      try {
        // Only whether it is there can be asked without saying of what kind it should be; saying so of one that is there makes nothing.
        await onChannel(connection, ch => ch.checkExchange(address))
        await ensureExchange(broker, connection, address)
        states.push({ channel, address, is: 'ready' })
      } catch (cause) {
        if (replyCode(cause) === NOT_FOUND) states.push({ channel, address, is: 'missing' })
        else if (cause instanceof ChannelError || replyCode(cause) === ACCESS_REFUSED)
          states.push({ channel, address, is: 'refused', error: broker.error(cause, address).message })
        else throw broker.error(cause, address)
      }
    }
    return states
  } finally {
    await connection.close().catch(() => {})
  }
}
