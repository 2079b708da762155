// A consumer of RabbitMQ as anybody would write it: nothing of Entente is in here. Prints a line of JSON for each message, until it is ended.
//   node plain-amqp.ts bind URL EXCHANGE QUEUE       makes a durable queue, binds it, and ends
//   node plain-amqp.ts consume URL EXCHANGE QUEUE    prints "ready" when the queue is bound, and then what comes to it
import { createHash } from 'node:crypto'
import { connect } from 'amqplib'

const [command, url = '', exchange = '', queue = ''] = process.argv.slice(2)
const connection = await connect(url)
const channel = await connection.createChannel()
await channel.assertExchange(exchange, 'fanout', { durable: true })
await channel.assertQueue(queue, { durable: true })
await channel.bindQueue(queue, exchange, '')
if (command === 'bind') await connection.close()
else {
  console.log('ready')
  await channel.prefetch(500)
  await channel.consume(queue, message => {
    if (!message) return
    const { headers = {}, contentType, deliveryMode, messageId } = message.properties
    const sha256 = createHash('sha256').update(message.content).digest('hex')
    const at = performance.timeOrigin + performance.now()
    console.log(JSON.stringify({ headers, contentType, deliveryMode, messageId, sha256, at }))
    channel.ack(message)
  })
}
