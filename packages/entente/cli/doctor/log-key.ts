import { openLogKey } from '#notary/key.ts'
import type { Store } from '#store/store.ts'
import type { Config, Paths } from '../config.ts'
import { defaultOrigin } from '../identity.ts'

/** The verifier key under which the log signs now. @throws NotaryError `integrity` */
export const readVkey = async (_store: Store, config: Config, paths: Paths): Promise<string> =>
  openLogKey(paths.logKey, config.log.origin ?? defaultOrigin, false).vkey
