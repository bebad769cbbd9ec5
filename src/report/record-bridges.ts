import type { Bridges } from '../bridge/bridges.ts'
import type { BridgeFunctions } from '../bridge/requests.ts'
import { messageOf } from '../support/errors.ts'
import type { BundleFile } from './model.ts'
import type { SuiteRecorder } from './recorder.ts'

/** The bridges of a cluster, noted down while they are set. */
export interface RecordedBridges {
  readonly functions: BridgeFunctions
  tell(error: unknown): void
  /** What the processes on the host have printed. */
  outputs(): Promise<readonly BundleFile[]>
}

export function recordBridges(bridges: Bridges, recorder: SuiteRecorder): RecordedBridges {
  const open = new Map<string, { readonly workload: string; readonly side: string }>()
  const end = (id: string) => {
    recorder.bridgeEnded(id)
    open.delete(id)
  }
  const read = async (id: string) => {
    try {
      return await bridges.bridgeOutput(id)
    } catch (error) {
      return `cannot be read: ${messageOf(error)}\n`
    }
  }
  return {
    functions: {
      ...bridges,
      async openBridge(request, signal) {
        const opened = await bridges.openBridge(request, signal)
        open.set(opened.id, { workload: request.workload, side: request.side.kind })
        return opened
      },
      async setBridge(id, side, signal) {
        await bridges.setBridge(id, side, signal)
        const bridge = open.get(id)
        if (bridge) recorder.bridge({ id, ...bridge })
      },
      async unsetBridge(id) {
        await bridges.unsetBridge(id)
        end(id)
      },
      async closeBridge(id) {
        await bridges.closeBridge(id)
        end(id)
      },
      async openCut(request, signal) {
        const id = await bridges.openCut(request, signal)
        recorder.bridge({ id, workload: request.workloads.join(' and '), side: 'cut' })
        return id
      },
      async closeCut(id) {
        await bridges.closeCut(id)
        end(id)
      },
    },
    tell: (error) => bridges.tell(error),
    outputs: () =>
      Promise.all(
        [...open]
          .filter(([, { side }]) => side === 'command')
          .map(async ([id, { workload }]) => ({ path: `bridges/${workload.replaceAll('/', '-')}.log`, text: await read(id) })),
      ),
  }
}
