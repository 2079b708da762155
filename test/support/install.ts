// Brings programs that are not ours into .cache/, before the tests that start them: a build of some minutes is no part of a test.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { installTorchwood } from './litewitness.ts'
import { installBtcd } from './btcd.ts'
import { installGeth } from './geth.ts'
import { installKafka } from './kafka.ts'
import { installKeycloak } from './keycloak.ts'
import { installMongod } from './mongod.ts'
import { installRabbitmq } from './rabbitmq.ts'

const LANES = {
  /** Mostly built here: one after the other, as each takes all cores. */
  built: { btcd: installBtcd, torchwood: installTorchwood, geth: installGeth },
  /** Mostly downloaded: that costs time and no cores. */
  downloaded: { mongod: installMongod, rabbitmq: installRabbitmq, kafka: installKafka, keycloak: installKeycloak },
}

const lane = process.argv[2]
if (lane === undefined) {
  const children = Object.keys(LANES).map(name =>
    spawn(process.execPath, [import.meta.filename, name], { stdio: 'inherit' }),
  )
  await Promise.all(children.map(child => once(child, 'exit')))
} else {
  for (const [name, install] of Object.entries(LANES[lane as keyof typeof LANES])) {
    const started = performance.now()
    const found = install()
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    if ('reason' in found) console.log(`      ${name}: ${found.reason}`)
    else if (seconds !== '0') console.log(`      ${name} is there (${seconds} s)`)
  }
}
