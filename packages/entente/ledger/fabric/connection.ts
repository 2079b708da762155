import { createPrivateKey } from 'node:crypto'
import { Client, credentials, type Interceptor } from '@grpc/grpc-js'
import { type Contract, connect, type Gateway, hash, signers } from '@hyperledger/fabric-gateway'
import { LedgerError } from '../error.ts'
import { explainFailure, isAway } from './refusal.ts'

export interface FabricConnectionOptions {
  /** HOST:PORT of peers whose gateway may be asked, the first one first. */
  readonly endpoints: readonly string[]
  /** PEM of the CAs of their TLS certificates, several behind each other. Left out: in the clear, for tests. */
  readonly tlsCert?: string
  readonly mspId: string
  /** PEM of the identity that signs. */
  readonly cert: string
  /** PEM of its private key. */
  readonly key: string
  readonly fabricChannel: string
  readonly chaincode: string
  /** Organisations (MSP ids) that have to endorse. Left out: as few as the chaincode's policy asks for. */
  readonly endorsers?: readonly string[]
  /** How long one attempt at one peer may take. Default: 15 s. */
  readonly callTimeoutMs?: number
  /** Tests only: what stands between us and the peers. */
  readonly interceptors?: readonly Interceptor[]
}

/** Gateways of one channel, of which the one that answers is asked. */
export interface FabricConnection {
  readonly options: FabricConnectionOptions
  /** Asks a chaincode of the channel, ours when left out. Throws LedgerError. */
  evaluate(name: string, args: readonly string[], chaincode?: string): Promise<Uint8Array>
  /** Runs with the gateway that answered last, and with the others while one after the other is away. Throws LedgerError. */
  ask<T>(run: (gateway: Gateway, contract: Contract) => Promise<T>): Promise<T>
  /** Asks every peer for itself, and gives what those answered that answer. */
  askEach<T>(run: (gateway: Gateway) => Promise<T>): Promise<{ endpoint: string; value: T }[]>
  close(): void
}

/** Blocks come in one piece, and may be as large as the orderers let them be. */
const MAX_MESSAGE = 104_857_600

/** @throws LedgerError `invalid` where certificate or key are none */
export function openFabricConnection(options: FabricConnectionOptions): FabricConnection {
  const { endpoints, tlsCert, mspId, cert, key, fabricChannel, callTimeoutMs = 15_000 } = options
  const deadline = () => ({ deadline: Date.now() + callTimeoutMs })
  const secured = tlsCert === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(tlsCert))
  const channelOptions = {
    'grpc.max_receive_message_length': MAX_MESSAGE,
    'grpc.max_send_message_length': MAX_MESSAGE,
    // A peer that comes back is found soon, and by a new connection at once
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    ...(options.interceptors === undefined ? {} : { interceptors: [...options.interceptors] }),
  }
  const clients = endpoints.map(endpoint => new Client(endpoint, secured, channelOptions))
  const signer = signers.newPrivateKeySigner(privateKey(key, mspId))
  const gateways = clients.map(client =>
    connect({
      client,
      identity: { mspId, credentials: Buffer.from(cert) },
      signer,
      hash: hash.sha256,
      evaluateOptions: deadline,
      endorseOptions: deadline,
      submitOptions: deadline,
      commitStatusOptions: deadline,
    }),
  )
  let current = 0
  let closed = false

  async function ask<T>(run: (gateway: Gateway, contract: Contract) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      if (closed) throw new LedgerError('unreachable', 'the ledger was closed; open it again')
      const gateway = gateways[current]!
      try {
        return await run(gateway, gateway.getNetwork(fabricChannel).getContract(options.chaincode))
      } catch (error) {
        if (closed || !isAway(error) || tried >= gateways.length) throw explainFailure(error, endpoints)
        current = (current + 1) % gateways.length
      }
    }
  }

  return {
    options,
    ask,
    evaluate: (name, args, chaincode = options.chaincode) =>
      ask(gateway =>
        gateway
          .getNetwork(fabricChannel)
          .getContract(chaincode)
          .evaluate(name, { arguments: [...args] }),
      ),
    async askEach(run) {
      const asked = gateways.map(async (gateway, n) => ({ endpoint: endpoints[n]!, value: await run(gateway) }))
      const settled = await Promise.allSettled(asked)
      return settled.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    },
    close() {
      closed = true
      for (const [n, client] of clients.entries()) {
        gateways[n]?.close()
        client.close()
      }
    },
  }
}

function privateKey(pem: string, mspId: string) {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new LedgerError('invalid', `the key of ${mspId} is no private key in PEM: ${(cause as Error).message}`, {
      cause,
    })
  }
}
