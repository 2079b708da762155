import { brokerChecks } from './brokers.ts'
import type { Check } from './check.ts'
import { configurationChecks } from './configuration.ts'
import { identityChecks } from './identity.ts'
import { ledgerChecks } from './ledgers.ts'
import { machineChecks } from './machine.ts'
import { serverChecks } from './server.ts'
import { storeChecks } from './store.ts'
import { witnessChecks } from './witnesses.ts'
import type { Config } from '../config.ts'

/** All that "entente doctor" looks at, with this configuration. */
export const toChecks = (config: Config): Check[] => [
  ...configurationChecks(config),
  ...machineChecks,
  ...storeChecks(config),
  ...ledgerChecks(config),
  ...witnessChecks(config),
  ...brokerChecks(config),
  ...identityChecks(config),
  ...serverChecks(config),
]
