import { InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js'

/** Breaks calls of a gRPC client as networks do it: whole, before the peer sees them, or after it answered. */
export function createFaults() {
  let next: { kind: 'dropped' | 'answer-lost'; method: string; times: number } | undefined
  let outage = false
  let down = false
  const reset = () => ({ code: status.UNAVAILABLE, details: 'connection reset', metadata: new Metadata() })
  const interceptor: Interceptor = (options, nextCall) => {
    const hit = next !== undefined && options.method_definition.path.endsWith(`/${next.method}`) ? next.kind : undefined
    const isDown = down
    if (hit !== undefined && next !== undefined) {
      next = next.times > 1 ? { ...next, times: next.times - 1 } : undefined
      down ||= outage
    }
    if (isDown || hit === 'dropped')
      return new InterceptingCall(null as unknown as InterceptingCall, {
        start: (_, listener) => queueMicrotask(() => listener.onReceiveStatus(reset())),
        sendMessage: () => {},
        halfClose: () => {},
        cancel: () => {},
      })
    if (hit === undefined) return new InterceptingCall(nextCall(options))
    return new InterceptingCall(nextCall(options), {
      start: (metadata, _, start) => start(metadata, { onReceiveStatus: (_status, receive) => receive(reset()) }),
    })
  }
  return {
    interceptor,
    /** The next calls of a method of the gateway, Submit unless another is named. */
    fault(kind: 'dropped' | 'answer-lost', withOutage = false, method = 'Submit', times = 1) {
      next = { kind, method, times }
      outage = withOutage
    },
    heal() {
      down = false
      next = undefined
    },
  }
}
