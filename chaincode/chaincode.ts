import shim, { type ChaincodeInterface, type ChaincodeResponse, type ChaincodeStub } from 'fabric-shim'
import { invoke } from './functions.ts'
import { Refusal } from './refusal.ts'
import type { Call } from './state.ts'

/** Seconds between a proposal's time, which its sender chose, and an endorser's clock. */
export const MAX_CLOCK_SKEW = 60

/**
 * The rules as Fabric calls them.
 *
 * @param now this endorser's clock, milliseconds since 1970
 */
export function createChaincode(now: () => number): ChaincodeInterface {
  return {
    Init: async () => shim.Shim.success(),
    async Invoke(stub): Promise<ChaincodeResponse> {
      try {
        const [name = '', ...args] = stub.getStringArgs()
        return shim.Shim.success(Buffer.from(await invoke(toCall(stub as ChaincodeStub, now), name, args)))
      } catch (error) {
        if (error instanceof Refusal) return shim.Shim.error(error.message)
        console.error(error)
        return shim.Shim.error(`Internal ${JSON.stringify({ message: String(error) })}`)
      }
    },
  }
}

function toCall(stub: ChaincodeStub, now: () => number): Call {
  const identity = new shim.ClientIdentity(stub)
  return {
    caller: `${identity.getMSPID()}:${identity.getID()}`,
    transaction: stub.getTxID(),
    time() {
      const proposed = Math.floor(stub.getDateTimestamp().getTime() / 1000)
      const here = Math.floor(now() / 1000)
      if (Math.abs(proposed - here) > MAX_CLOCK_SKEW)
        throw new Refusal('Invalid', {
          what: 'time of the proposal',
          is: proposed,
          clock: here,
          maxSkew: MAX_CLOCK_SKEW,
        })
      return proposed
    },
    emit: (name, payload) => stub.setEvent(name, Buffer.from(payload)),
    state: {
      async get(key) {
        const value = await stub.getState(key)
        return value.length === 0 ? undefined : Buffer.from(value).toString()
      },
      put: (key, value) => stub.putState(key, Buffer.from(value)),
    },
  }
}
