import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

import { parse } from 'yaml'

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

interface Kubeconfig {
  readonly clusters?: null | readonly { readonly name: string; readonly cluster?: Paths & { readonly server?: string } }[]
  readonly users?: null | readonly { readonly name: string; readonly user?: Paths & { readonly exec?: { readonly command?: string } } }[]
  readonly contexts?: null | readonly { readonly name: string; readonly context?: { readonly cluster?: string; readonly user?: string } }[]
}

type Paths = Readonly<Record<string, unknown>>

/** Keys whose paths are relative to the kubeconfig. */
const pathKeys = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile']

/**
 * Reads one context of a kubeconfig. It has to be named: the current one is whatever somebody used last.
 * @param path `~/…` is in the home folder
 * @throws ClusterTestError `ERR_CLUSTER_KUBECONFIG`
 */
export function readContext(path: string, name: string): KubeContext {
  const file = path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
  const read = readKubeconfig(path, file)
  // kubectl writes null for an empty list.
  const [clusters, users, contexts] = [read.clusters ?? [], read.users ?? [], read.contexts ?? []]
  const context = contexts.find((each) => each.name === name)?.context
  if (!context) throw invalid(`Kubeconfig "${path}" has no context "${name}".`, `It has ${formatList(contexts.map((each) => each.name))}.`)
  const cluster = clusters.find((each) => each.name === context.cluster)?.cluster
  const user = users.find((each) => each.name === context.user)?.user
  const { server } = cluster ?? {}
  if (!server || !user) {
    const missing = server ? `user "${context.user}"` : `cluster "${context.cluster}"`
    throw invalid(`Context "${name}" of kubeconfig "${path}" names ${missing}, which the file does not have.`)
  }
  const other = ['as-groups', 'as-uid', 'as-user-extra'].find((key) => user[key] !== undefined)
  if (other)
    throw invalid(`User "${context.user}" of kubeconfig "${path}" has ${other}, which is not supported.`, 'Use a context without it.')
  const folder = dirname(resolve(file))
  const { exec } = user
  // As kubectl does: a command with a slash is relative too.
  const command = exec?.command?.includes('/') ? { exec: { ...exec, command: resolve(folder, exec.command) } } : {}
  const write = (namespace?: string) =>
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': name },
      clusters: [{ name: context.cluster, cluster: absolute(cluster!, folder) }],
      users: [{ name: context.user, user: { ...absolute(user, folder), ...command } }],
      contexts: [{ name, context: { cluster: context.cluster, user: context.user, ...(namespace && { namespace }) } }],
    })
  return { name, server, kube: createKubeClient(write()), inNamespace: write }
}

function readKubeconfig(path: string, file: string): Kubeconfig {
  try {
    return (parse(readFileSync(file, 'utf8')) ?? {}) as Kubeconfig
  } catch (error) {
    throw invalid(`Kubeconfig "${path}" cannot be read: ${messageOf(error)}`, 'Name the file in `cluster.kubeconfig` of the plugin.', error)
  }
}

function absolute(entries: Paths, folder: string): Paths {
  const paths = pathKeys.flatMap((key) => (typeof entries[key] === 'string' ? [[key, resolve(folder, entries[key])]] : []))
  return { ...entries, ...Object.fromEntries(paths) }
}

function invalid(message: string, hint?: string, cause?: unknown): ClusterTestError {
  return new ClusterTestError('ERR_CLUSTER_KUBECONFIG', message, { hint, cause })
}
