import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type BundleOptions, writeBundle } from './bundle.ts'
import { watchCluster } from './watch-cluster.ts'

/** Follows a suite's cluster, and writes its state down when something fails. */
export interface Diagnosis extends AsyncDisposable {
  /** Writes the bundle of the suite, if that has not been done: the first failure is what counts. */
  collect(): Promise<void>
}

/**
 * @param signal of the suite. One that is cancelled has not failed, and whoever cancels does not want to wait.
 */
export async function startDiagnosis(options: Omit<BundleOptions, 'isWatched'>, signal: AbortSignal): Promise<Diagnosis> {
  const { cluster, recorder, namespaces } = options
  const { record } = recorder
  const note = (error: unknown) => recorder.progress({ kind: 'note', step: 'report', text: messageOf(error) })
  record.cluster = cluster.name
  recorder.addName(cluster.name)
  const stop = new AbortController()
  // A set-up that runs out of time has its last words to say.
  const watch = await watchCluster(cluster.kube, { recorder, namespaces, signal: stop.signal }).catch(note)
  let collected: Promise<void> | undefined
  const collect = () =>
    (collected ??= writeBundle({ ...options, isWatched: watch !== undefined })
      .then((bundle) => void (record.bundle = bundle))
      .catch(note))
  return {
    collect,
    async [Symbol.asyncDispose]() {
      const isUnfinished = record.ready === undefined || record.finished === undefined
      if (isUnfinished && !isCancelled(signal)) await collect()
      await collected
      stop.abort(new Error('The suite has ended.'))
      await watch?.[Symbol.asyncDispose]()
    },
  }
}

function isCancelled({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof ClusterTestError && reason.code === 'ERR_SETUP_CANCELLED'
}
