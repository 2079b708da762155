import { createForgetting, type Forgetting } from '#notary/forget.ts'
import type { Notary } from '#notary/notary.ts'
import { outboxCursor } from '#notary/outbox.ts'
import { createPurge, type Purge } from '#notary/purge.ts'
import type { ApiRootConfig } from '#taxii/context.ts'
import type { Broker } from './brokers.ts'
import { toChannels } from './channel-config.ts'
import type { Config } from './config.ts'
import type { Logger } from './open-log.ts'

/** What the one server does that writes, besides writing. May be started again once it was stopped. */
export type Duties = { start(): Promise<void>; stop(): Promise<void> }

/** @param turn called where anchors and witnesses are to look again whose turn it is */
export function createDuties(
  config: Config,
  parts: {
    notary: Notary
    apiRoots: ApiRootConfig[]
    broker: Broker | undefined
    log: Logger
    turn?: () => Promise<void>
  },
): Duties {
  const { notary, apiRoots, broker, log, turn } = parts
  let running: { purge: Purge; forgetting: Forgetting } | undefined
  return {
    start: async () => {
      await turn?.()
      await broker?.outbox.start()
      const policies = apiRoots.flatMap(r =>
        r.collections.map(c => [notary.collection(r.path, c.id)?.number ?? 0, c] as const),
      )
      const purge = createPurge({ notary, hours: config.server.statusHours, policies: new Map(policies), log })
      const cursors = broker ? toChannels(config.channels).map(c => outboxCursor(broker.publisher.kind, c.name)) : []
      const forgetting = createForgetting({ notary, hours: config.channels.keepHours, cursors, log })
      running = { purge, forgetting }
      purge.start()
      forgetting.start()
    },
    stop: async () => {
      const stopping = running
      running = undefined
      await Promise.all([stopping?.purge.close(), stopping?.forgetting.close()])
      await broker?.outbox.stop()
      await turn?.()
    },
  }
}
