import { ClusterTestError, type ErrorCode } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import type { Pod } from './types.ts'

interface ChooseOptions<Container> {
  readonly containers: readonly Container[]
  /** Those that are meant only when they are named. */
  readonly initContainers?: readonly Container[] | undefined
  /** Of the pod, or of its template. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
  /** The name that somebody asks for. */
  readonly wanted: string | undefined
  /** What the one that is meant has, where several are there and nobody says which. @default the first is meant */
  readonly isLikely?: (container: Container) => boolean
  /** For the error. */
  readonly workload: string
  readonly code: ErrorCode
}

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-default-container */
const defaultContainer = 'kubectl.kubernetes.io/default-container'

/**
 * The container of a pod that is meant: the one that is named, the one that the pod's annotation names as kubectl's default, or the
 * only one. Among several it is the only likely one where something has to be likely, and the first elsewhere, as kubectl has it.
 * @throws ClusterTestError with the containers that there are
 */
export function chooseContainer<Container extends { readonly name: string }>(options: ChooseOptions<Container>): Container {
  const { containers, initContainers = [], annotations = {}, wanted, isLikely, workload, code } = options
  const hint = (names: readonly Container[]) => formatList(names.map(({ name }) => name))
  if (wanted !== undefined) {
    const all = [...containers, ...initContainers]
    const named = all.find(({ name }) => name === wanted)
    if (named) return named
    throw new ClusterTestError(code, `Workload "${workload}" has no container "${wanted}".`, { hint: `It has ${hint(all)}.` })
  }
  const annotated = containers.find(({ name }) => name === annotations[defaultContainer])
  if (annotated) return annotated
  const likely = isLikely && containers.length > 1 ? containers.filter(isLikely) : containers.slice(0, 1)
  if (likely.length === 1) return likely[0]!
  throw new ClusterTestError(code, `Workload "${workload}" has several containers, and nothing says which one is meant.`, {
    hint: `Name it: ${hint(containers)}. Or set the annotation "${defaultContainer}" of its pods.`,
  })
}

/** The name of the container of a pod for a command or a log. */
export function containerOf({ spec, metadata }: Pod, options: Pick<ChooseOptions<never>, 'wanted' | 'workload' | 'code'>): string {
  const { containers, initContainers } = spec!
  return chooseContainer({ containers, initContainers, annotations: metadata?.annotations, ...options }).name
}
