// Brings programs that are not ours into .cache/, before the tests that start them: a build of some minutes is no part of a test.
import { installTorchwood } from './litewitness.ts'
import { installBtcd } from './btcd.ts'
import { installGeth } from './geth.ts'
import { installKafka } from './kafka.ts'
import { installKeycloak } from './keycloak.ts'
import { installMongod } from './mongod.ts'
import { installRabbitmq } from './rabbitmq.ts'

for (const [name, install] of [
  ['mongod', installMongod],
  ['btcd', installBtcd],
  ['torchwood', installTorchwood],
  ['geth', installGeth],
  ['kafka', installKafka],
  ['keycloak', installKeycloak],
  ['rabbitmq', installRabbitmq],
] as const) {
  const started = performance.now()
  const found = install()
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  if ('reason' in found) console.log(`      ${name}: ${found.reason}`)
  else if (seconds !== '0') console.log(`      ${name} is there (${seconds} s)`)
}
