// A gateway peer in this process that answers as Fabric's does, with our real chaincode and made-up organisations, so that the adapter is exercised
// everywhere. THIS IS A DOUBLE AND NOT FABRIC.
import { Metadata, Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { common, gateway, google, peer } from '@hyperledger/fabric-protos'
import { testOrganization } from '../../../../../test/support/x509.ts'
import {
  configurationOf,
  createLedger,
  endorse,
  type Organization,
  parseProposal,
  type Proposed,
  responsePayload,
  simulate,
  type View,
} from './ledger.ts'

const CHANNEL = 'notary'
const CHAINCODE = 'entente'

/** A chaincode's or a peer's no, organisation by organisation. */
class Failure extends Error {
  readonly code: status
  readonly details: readonly { mspId: string; message: string }[]
  constructor(code: status, message: string, details: readonly { mspId: string; message: string }[] = []) {
    super(message)
    this.code = code
    this.details = details
  }
}

export interface FabricDouble {
  readonly endpoint: string
  /** The CA of the certificate that it shows; undefined where it talks in the clear. */
  readonly tlsCert: string | undefined
  readonly fabricChannel: string
  readonly chaincode: string
  readonly organizations: readonly Organization[]
  /** How many transactions were ordered, void and repeated ones too. */
  ordered(): number
  /** Every key that a valid transaction wrote, once for each. */
  writes(): readonly string[]
  /** What an organisation's endorser answers in place of running the chaincode; undefined: nothing special. */
  refuse: ((mspId: string, name: string) => string | undefined) | undefined
  /** What the endorser of an organisation sees, in place of the newest state. */
  view: ((mspId: string) => View | undefined) | undefined
  /** The code of the next transactions, one each; undefined: as validated. */
  readonly codes: (number | undefined)[]
  /** While true, what is submitted is taken and comes into no block. */
  held: boolean
  /** The present state, to keep and to show later. */
  snapshot(): View
  /** Puts what was held into blocks. */
  release(): void
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startDouble(now: () => number = Date.now, { tls = false } = {}): Promise<FabricDouble> {
  const secured = tls ? testOrganization('TLS') : undefined
  const organizations = ['Org1MSP', 'Org2MSP'].map(testOrganization)
  const ledger = createLedger(configurationOf(organizations))
  const waiting: { transaction: string; envelope: common.Envelope }[] = []
  const cut = () => {
    for (const { transaction, envelope } of waiting.splice(0))
      ledger.commit(transaction, envelope, double.codes.shift())
  }

  async function run(proposed: Proposed, mspId: string) {
    const [name = ''] = proposed.args.map(arg => Buffer.from(arg).toString())
    const refusal = double.refuse?.(mspId, name)
    if (refusal !== undefined) throw new Failure(status.ABORTED, refusal, [{ mspId, message: refusal }])
    const simulated = await simulate(proposed, double.view?.(mspId) ?? ledger.state, now)
    if (simulated.response.status >= 400) {
      const message = `chaincode response ${simulated.response.status}, ${simulated.response.message}`
      throw new Failure(status.UNKNOWN, message, [{ mspId, message }])
    }
    return simulated
  }

  const services = {
    async evaluate(request: gateway.EvaluateRequest) {
      const proposed = parseProposal(request.getProposedTransaction())
      const answer = new peer.Response()
      answer.setStatus(200)
      if (proposed.fabricChannel !== CHANNEL)
        throw new Failure(status.FAILED_PRECONDITION, `no channel ${proposed.fabricChannel}`)
      if (proposed.chaincode === 'qscc' || proposed.chaincode === 'cscc') answer.setPayload(system(proposed))
      else if (proposed.chaincode === CHAINCODE)
        answer.setPayload((await run(proposed, 'Org1MSP')).response.payload ?? new Uint8Array())
      else
        throw new Failure(status.FAILED_PRECONDITION, `no peers available to evaluate chaincode ${proposed.chaincode}`)
      const response = new gateway.EvaluateResponse()
      response.setResult(answer)
      return response
    },
    async endorse(request: gateway.EndorseRequest) {
      const proposed = parseProposal(request.getProposedTransaction())
      const wanted = request.getEndorsingOrganizationsList()
      const endorsers =
        wanted.length === 0 ? organizations : organizations.filter(({ mspId }) => wanted.includes(mspId))
      const failures: Failure[] = []
      const payloads: Uint8Array[] = []
      for (const { mspId } of endorsers) {
        try {
          payloads.push(responsePayload(proposed, await run(proposed, mspId)))
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          failures.push(error)
        }
      }
      const details = failures.flatMap(failure => failure.details)
      if (details.length > 0)
        throw new Failure(status.ABORTED, 'failed to endorse transaction, see attached details for more info', details)
      if (payloads.some(payload => Buffer.compare(payload, payloads[0]!) !== 0))
        throw new Failure(status.ABORTED, 'failed to assemble transaction: ProposalResponsePayloads do not match')
      const response = new gateway.EndorseResponse()
      response.setPreparedTransaction(endorse(proposed, payloads[0]!, endorsers))
      return response
    },
    async submit(request: gateway.SubmitRequest) {
      waiting.push({ transaction: request.getTransactionId(), envelope: request.getPreparedTransaction()! })
      if (!double.held) cut()
      return new gateway.SubmitResponse()
    },
    async commitStatus(request: gateway.SignedCommitStatusRequest) {
      const asked = gateway.CommitStatusRequest.deserializeBinary(request.getRequest_asU8())
      const response = new gateway.CommitStatusResponse()
      let entry = ledger.find(asked.getTransactionId())
      while (entry === undefined) {
        if (server === undefined) throw new Failure(status.UNAVAILABLE, 'stopped')
        await new Promise(resolve => setTimeout(resolve, 5))
        entry = ledger.find(asked.getTransactionId())
      }
      response.setResult(entry.code as ReturnType<typeof response.getResult>)
      response.setBlockNumber(entry.block)
      return response
    },
  }

  function system(proposed: Proposed): Uint8Array {
    const [name, , what = ''] = proposed.args.map(arg => Buffer.from(arg).toString())
    if (name === 'GetConfigBlock') return ledger.blocks[0]!.serializeBinary()
    if (name === 'GetBlockByNumber') return ledger.blocks[Number(what)]!.serializeBinary()
    if (name === 'GetChainInfo') {
      const info = new common.BlockchainInfo()
      info.setHeight(ledger.blocks.length)
      return info.serializeBinary()
    }
    const entry = ledger.find(what)
    if (entry === undefined) {
      const message = `chaincode response 500, Failed to get transaction with id ${what}, error no such transaction ID [${what}] in index`
      throw new Failure(status.UNKNOWN, `evaluate call to endorser returned error: ${message}`, [
        { mspId: 'Org1MSP', message },
      ])
    }
    if (name === 'GetBlockByTxID') return ledger.blocks[entry.block]!.serializeBinary()
    const processed = new peer.ProcessedTransaction()
    processed.setTransactionenvelope(entry.envelope)
    processed.setValidationcode(entry.code)
    return processed.serializeBinary()
  }

  let server: Server | undefined
  let port = 0
  const double = {
    endpoint: '',
    tlsCert: secured?.ca.cert,
    fabricChannel: CHANNEL,
    chaincode: CHAINCODE,
    organizations,
    ordered: () => ledger.blocks.length - 1,
    writes: () => ledger.writes,
    refuse: undefined as FabricDouble['refuse'],
    view: undefined as FabricDouble['view'],
    codes: [] as (number | undefined)[],
    held: false,
    snapshot: () => new Map(ledger.state),
    release() {
      double.held = false
      cut()
    },
    async stop() {
      server?.forceShutdown()
      server = undefined
    },
    async start() {
      server = new Server()
      const handlers = Object.entries(services).map(([name, run]) => [
        name,
        unary(run as (request: unknown) => Promise<unknown>),
      ])
      server.addService(gateway.GatewayService, Object.fromEntries(handlers))
      const started = server
      port = await new Promise<number>((resolve, reject) => {
        started.bindAsync(
          `127.0.0.1:${port}`,
          secured ? serverCredentials(secured) : ServerCredentials.createInsecure(),
          (error, bound) => (error ? reject(error) : resolve(bound)),
        )
      })
      double.endpoint = `${secured ? 'localhost' : '127.0.0.1'}:${port}`
    },
  }
  await double.start()
  return double
}

function serverCredentials({ issue }: Organization): ServerCredentials {
  const { cert, key } = issue('server', 'peer', ['localhost'])
  return ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key.pem), cert_chain: Buffer.from(cert) }])
}

function unary(run: (request: unknown) => Promise<unknown>) {
  return (call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>) => {
    run(call.request).then(
      response => done(null, response),
      (error: Error) => {
        const code = error instanceof Failure ? error.code : status.INTERNAL
        done({ name: 'ServiceError', message: error.message, details: error.message, code, metadata: detailsOf(error) })
      },
    )
  }
}

/** What Fabric adds to a gRPC error: who said what (gateway.ErrorDetail). */
function detailsOf(error: Error): Metadata {
  const answer = new google.rpc.Status()
  for (const { mspId, message } of error instanceof Failure ? error.details : []) {
    const detail = new gateway.ErrorDetail()
    detail.setMspId(mspId)
    detail.setAddress(`peer0.${mspId}:7051`)
    detail.setMessage(message)
    const any = answer.addDetails()
    any.pack(detail.serializeBinary(), 'gateway.ErrorDetail')
  }
  const metadata = new Metadata()
  metadata.set('grpc-status-details-bin', Buffer.from(answer.serializeBinary()))
  return metadata
}
