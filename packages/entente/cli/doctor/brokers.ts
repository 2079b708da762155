import type { ChannelState } from '#channel/channel.ts'
import { ChannelError } from '#channel/error.ts'
import { inspectBroker } from '../brokers.ts'
import type { Config } from '../config.ts'
import { type Check, ok, type Patient, problem, type Seen } from './check.ts'

export const brokerChecks = ({ channels }: Config): Check[] =>
  channels.kind === 'embedded' ? [] : [{ name: channels.kind, group: 'brokers', run: look }]

async function look({ config, paths }: Patient): Promise<Seen[]> {
  const { kind } = config.channels
  try {
    return (await inspectBroker(config.channels, paths)).map(state => describe(state, kind))
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error
    const mend =
      error.code === 'unreachable'
        ? 'Start the broker, or correct its address under channels; meanwhile what is stored waits in the store.'
        : 'Correct the account, its password, or channels.tls: docs/operating.md says what an account needs.'
    return [problem(kind, error.message, mend)]
  }
}

function describe(state: ChannelState, kind: string): Seen {
  const what = kind === 'kafka' ? 'topic' : 'exchange'
  const subject = `${what} ${state.address}`
  if (state.is === 'refused')
    return problem(subject, state.error, `Make the ${what} as docs/operating.md has it, or set channels.prefix.`)
  return state.is === 'ready'
    ? ok(subject, 'it is there, and of the right kind')
    : ok(subject, 'it is not there yet: a server that starts makes it, where its account may')
}
