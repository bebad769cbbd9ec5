import type { Bridges } from '../bridge/bridges.ts'
import type { BridgeCall } from '../bridge/requests.ts'
import { messageOf } from '../support/errors.ts'
import type { BundleFile } from './model.ts'
import type { SuiteRecorder } from './recorder.ts'

/** The bridges of a cluster, noted down while they are set. */
export interface RecordedBridges extends Pick<Bridges, 'handle'> {
  /** What the processes on the host have printed. */
  outputs(): Promise<readonly BundleFile[]>
}

export function recordBridges(bridges: Bridges, recorder: SuiteRecorder): RecordedBridges {
  const open = new Map<string, { readonly workload: string; readonly side: string }>()
  const note = (call: BridgeCall, result: unknown) => {
    if (call.call === 'open') open.set((result as { id: string }).id, { workload: call.request.workload, side: call.request.side.kind })
    else if (call.call === 'set' && open.has(call.id)) recorder.bridge({ id: call.id, ...open.get(call.id)! })
    else if (call.call === 'unset' || call.call === 'close') {
      recorder.bridgeEnded(call.id)
      open.delete(call.id)
    }
  }
  const signal = new AbortController().signal
  return {
    async handle(call, signal) {
      const result = await bridges.handle(call, signal)
      note(call, result)
      return result
    },
    outputs: () =>
      Promise.all(
        [...open]
          .filter(([, { side }]) => side === 'command')
          .map(async ([id, { workload }]) => ({
            path: `bridges/${workload.replaceAll('/', '-')}.log`,
            text: await bridges.handle({ call: 'output', id }, signal).catch((error: unknown) => `cannot be read: ${messageOf(error)}\n`),
          })),
      ),
  }
}
