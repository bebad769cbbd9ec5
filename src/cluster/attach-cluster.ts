import { readFile } from 'node:fs/promises'

import type { Docker } from '../docker/docker.ts'
import { createKubeClient } from '../kube/client.ts'
import { withDeadline } from '../support/deadline.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { type Cluster, readNamedNodes } from './cluster.ts'
import type { KeptCluster } from './ownership/kept-clusters.ts'

/** Milliseconds: after a reboot k3s takes its time. */
const answerTimeout = 60_000

/**
 * A cluster that another process has started and left. Disposal leaves it too.
 * @param labels of what is created for it: its own for what is to stay, those of this process for what goes with that
 * @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` when its nodes do not run, or its kubeconfig is gone
 */
export async function attachCluster(
  docker: Docker,
  { name, kubeconfigPath }: KeptCluster,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Cluster> {
  const kubeconfig = await readFile(kubeconfigPath, 'utf8').catch((error: unknown) => {
    throw notThere(name, `its kubeconfig cannot be read: ${messageOf(error)}`)
  })
  const kube = createKubeClient(kubeconfig)
  const what = `An answer of the nodes of cluster "${name}"`
  const nodes = await withDeadline({ limit: answerTimeout, code: 'ERR_KUBE_UNREACHABLE', what, signal }, (each) =>
    readNamedNodes(docker, kube, name, each),
  )
  if (nodes.length === 0) throw notThere(name, 'none of its nodes runs')
  return {
    ...{ name, network: name, nodes, image: nodes[0]!.image, kubeconfigPath, kube, labels },
    ...{ template: undefined, templateVolume: undefined },
    keep: () => Promise.reject(new Error(`Cluster "${name}" is kept already.`)),
    [Symbol.asyncDispose]: async () => {},
  }
}

function notThere(name: string, why: string): ClusterTestError {
  return new ClusterTestError('ERR_CLUSTER_NOT_FOUND', `Cluster "${name}" cannot be used: ${why}.`, {
    hint: `Start its containers (docker start k3d-${name}-server-0), or take the stack down and bring it up again.`,
  })
}
