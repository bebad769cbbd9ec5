import { join } from 'node:path'

import { type Bridges, createBridges } from '../bridge/bridges.ts'
import type { BridgesOptions } from '../bridge/parts.ts'
import { attachCluster } from '../cluster/attach-cluster.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { reachAddresses } from '../cluster/network/published-ports.ts'
import { type ServiceAddress, writeAddresses } from '../cluster/network/service-address.ts'
import { listAddresses } from '../cluster/ownership/inventory.ts'
import type { KeptCluster } from '../cluster/ownership/kept-clusters.ts'
import { localImages } from './local-images.ts'
import type { EngineParts } from './parts.ts'

/** A stack that is up, as a process uses it that did not bring it up. Disposal ends the bridges, and leaves all else. */
export interface AttachedStack extends AsyncDisposable {
  readonly cluster: Cluster
  readonly addresses: readonly ServiceAddress[]
  readonly bridges: Bridges
}

export interface AttachOptions extends Pick<BridgesOptions, 'namespace' | 'progress' | 'onLocal'> {
  /** What relative paths are relative to. */
  readonly folder: string
  readonly signal: AbortSignal
}

export async function attachStack(
  parts: EngineParts,
  kept: KeptCluster,
  { namespace, progress, onLocal, folder, signal }: AttachOptions,
): Promise<AttachedStack> {
  // What is started for a bridge goes with this process.
  await using cleanup = new AsyncDisposableStack()
  const cluster = cleanup.use(await attachCluster(parts.docker, kept, { labels: parts.owner.labels, progress, signal }))
  const addresses = await reachAddresses(cluster.ports, await listAddresses(parts.docker, kept.name))
  const addressesFile = join(parts.folder, 'addresses.json')
  await writeAddresses(addressesFile, addresses)
  const prepareImage = localImages(parts, folder, { progress })
  const bridges = cleanup.use(
    createBridges({
      ...parts,
      cluster,
      namespace,
      addresses: () => addresses,
      addressesFile,
      prepareImage,
      progress,
      onLocal,
    }),
  )
  const owned = cleanup.move()
  return { cluster, addresses, bridges, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
