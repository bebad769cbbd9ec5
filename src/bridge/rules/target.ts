import type { Cluster } from '../../cluster/cluster.ts'
import { chooseContainer } from '../../kube/choose-container.ts'
import { type Labels, selectorFits } from '../../kube/labels.ts'
import type { Pod } from '../../kube/types.ts'
import { type FindOptions, type WorkloadPods, findPods } from './find-pods.ts'
import { type ContainerPort, listPorts } from './ports.ts'

type PodSpec = NonNullable<Pod['spec']>

/** What is replaced: one container in all pods of a workload. */
export interface BridgeTarget extends WorkloadPods, Pick<Cluster, 'nodes'> {
  readonly container: PodSpec['containers'][number]
  readonly ports: readonly ContainerPort[]
}

export interface TargetOptions extends FindOptions {
  readonly cluster: FindOptions['cluster'] & Pick<Cluster, 'nodes'>
  /** @default the annotated one, the only one, or the only one with ports */
  readonly container?: string | undefined
}

/** @throws ClusterTestError as `findPods` does, and `ERR_BRIDGE_CONTAINER_NOT_FOUND` */
export async function findTarget({ container: wanted, ...options }: TargetOptions): Promise<BridgeTarget> {
  using cleanup = new DisposableStack()
  const found = cleanup.use(await findPods(options))
  const { workload, spec, labels, annotations, services } = found
  const container = chooseBridged(spec.containers, annotations, wanted, workload)
  const selecting = services.filter((service) => selectorFits(service.spec?.selector, labels))
  cleanup.move()
  return { ...found, nodes: options.cluster.nodes, container, ports: listPorts(container, spec.containers, selecting) }
}

/** @throws ClusterTestError `ERR_BRIDGE_CONTAINER_NOT_FOUND` */
export function chooseBridged<Container extends Pick<PodSpec['containers'][number], 'name' | 'ports'>>(
  containers: readonly Container[],
  annotations: Labels | undefined,
  wanted: string | undefined,
  workload: string,
): Container {
  const isLikely = ({ ports = [] }: Container) => ports.length > 0
  return chooseContainer({ containers, annotations, wanted, isLikely, workload, code: 'ERR_BRIDGE_CONTAINER_NOT_FOUND' })
}
