import type { ChannelModel } from 'amqplib'
import { ChannelError } from '../error.ts'
import { type Broker, onChannel, replyCode } from './connection.ts'

export const [ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED] = [403, 404, 406]

/**
 * A channel's exchange: durable, fanout. Made where it is missing, used as it is where it is there.
 *
 * @throws ChannelError `refused`: it is of another kind, or missing and not for this account to make
 */
export async function ensureExchange(broker: Broker, connection: ChannelModel, exchange: string): Promise<void> {
  const at = `exchange "${exchange}"`
  try {
    await onChannel(connection, channel => channel.assertExchange(exchange, 'fanout', { durable: true }))
  } catch (cause) {
    const said = broker.error(cause, at)
    if (replyCode(cause) === PRECONDITION_FAILED)
      throw new ChannelError(
        'refused',
        `${said.message}. There is an exchange of this name that is not durable and fanout, and Entente changes none: set channels.prefix, or take it away`,
        { cause },
      )
    if (replyCode(cause) !== ACCESS_REFUSED) throw said
    // Who may not make exchanges may use one that is there. Of what kind it is can't be asked.
    try {
      await onChannel(connection, channel => channel.checkExchange(exchange))
    } catch (missing) {
      if (replyCode(missing) !== NOT_FOUND) throw broker.error(missing, at)
      throw new ChannelError(
        'refused',
        `${said.message}. It is not there: let the account configure it, or make it, durable and fanout`,
        { cause },
      )
    }
  }
}
