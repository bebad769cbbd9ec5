import type { Cluster } from '../cluster/cluster.ts'
import type { ServiceAddress } from '../cluster/network/service-address.ts'
import type { Owner } from '../cluster/ownership/owner.ts'
import type { ContainerShell } from '../docker/container-shell.ts'
import type { Docker } from '../docker/docker.ts'
import type { Progress } from '../support/progress.ts'
import type { FindReach } from './reach/local-reach.ts'
import type { BridgeRequest } from './requests.ts'
import type { ClusterNetwork } from './rules/cluster-network.ts'

export interface BridgesOptions {
  readonly docker: Docker
  readonly cluster: Cluster
  readonly namespace: string
  /** Private folder of the run. */
  readonly folder: string
  /** Services as the host reaches them. */
  readonly addresses: () => readonly ServiceAddress[]
  /** The same for other processes. */
  readonly addressesFile: string
  /** Builds or finds the image of a local container and resolves to the name that Docker has it under. */
  readonly prepareImage: (image: (BridgeRequest['side'] & { kind: 'member' })['image'], signal: AbortSignal) => Promise<string>
  readonly owner: Owner
  /** Told of every process on the host, so that none outlives the run. */
  readonly trackChild: (event: 'started' | 'ended', pid: number) => void
  readonly progress: Progress
  /** Told what a process on the host prints, and how it ended while it was bridged; for whoever shows it to people. */
  readonly onLocal?: { readonly output: (text: string) => void; readonly ended: (why: string) => void } | undefined
}

/** What every bridge of a cluster works with. */
export interface BridgeParts extends BridgesOptions {
  readonly network: ClusterNetwork
  readonly reach: FindReach
  readonly nodes: readonly { readonly name: string; readonly shell: ContainerShell; readonly podCidrs: readonly string[] }[]
  readonly onProblem: (error: unknown) => void
}
