import { homedir } from 'node:os'
import { join } from 'node:path'

import { KubeConfig } from '../../kube/client-node.ts'
import { type KubeClient, createKubeClient } from '../../kube/client.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { formatList } from '../../support/format.ts'

/** A context of somebody's kubeconfig, which is read and never written. */
export interface KubeContext {
  readonly name: string
  /** Address of the API server. */
  readonly server: string
  /** A client that may look everywhere, as far as its user may. */
  readonly kube: KubeClient
  /** A kubeconfig with this context alone, in one namespace. */
  inNamespace(namespace: string): string
}

/**
 * Reads one context of a kubeconfig. It has to be named: the current one is whatever somebody used last.
 * @param path `~/…` is in the home folder
 * @throws ClusterTestError `ERR_CLUSTER_KUBECONFIG`
 */
export function readContext(path: string, name: string): KubeContext {
  const file = path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
  const config = new KubeConfig()
  try {
    config.loadFromFile(file)
  } catch (error) {
    throw invalid(`Kubeconfig "${path}" cannot be read: ${messageOf(error)}`, 'Name the file in `cluster.kubeconfig` of the plugin.', error)
  }
  const context = config.getContextObject(name)
  const names = config.getContexts().map((each) => each.name)
  if (!context) throw invalid(`Kubeconfig "${path}" has no context "${name}".`, `It has ${formatList(names)}.`)
  const all = JSON.parse(config.exportConfig()) as Exported
  const cluster = all.clusters.find((each) => each.name === context.cluster)
  const user = all.users.find((each) => each.name === context.user)
  if (!cluster || !user) {
    const missing = cluster ? `user "${context.user}"` : `cluster "${context.cluster}"`
    throw invalid(`Context "${name}" of kubeconfig "${path}" names ${missing}, which the file does not have.`)
  }
  const write = (namespace?: string) =>
    JSON.stringify({
      ...all,
      clusters: [cluster],
      users: [user],
      contexts: [{ name, context: { cluster: context.cluster, user: context.user, ...(namespace && { namespace }) } }],
      'current-context': name,
    })
  return { name, server: cluster.cluster.server, kube: createKubeClient(write()), inNamespace: write }
}

interface Exported {
  readonly clusters: readonly { readonly name: string; readonly cluster: { readonly server: string } }[]
  readonly users: readonly { readonly name: string }[]
}

function invalid(message: string, hint?: string, cause?: unknown): ClusterTestError {
  return new ClusterTestError('ERR_CLUSTER_KUBECONFIG', message, { hint, cause })
}
