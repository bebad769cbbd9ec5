import type { KubeObject } from './object.ts'

interface KindFacts {
  readonly apiVersion: string
  /** What else kubectl calls it, besides its name in singular and plural. */
  readonly short?: string
  /** Where an object of the kind has the template of its pods. */
  readonly template?: readonly string[]
}

const template = ['spec', 'template']

/** Kinds that run pods. */
const workloads = {
  Deployment: { apiVersion: 'apps/v1', short: 'deploy', template },
  StatefulSet: { apiVersion: 'apps/v1', short: 'sts', template },
  DaemonSet: { apiVersion: 'apps/v1', short: 'ds', template },
  ReplicaSet: { apiVersion: 'apps/v1', short: 'rs', template },
  ReplicationController: { apiVersion: 'v1', short: 'rc', template },
  Job: { apiVersion: 'batch/v1', template },
  Pod: { apiVersion: 'v1', short: 'po', template: [] },
} as const satisfies Record<string, KindFacts & Required<Pick<KindFacts, 'template'>>>

const kinds = {
  ...workloads,
  CronJob: { apiVersion: 'batch/v1', short: 'cj', template: ['spec', 'jobTemplate', 'spec', 'template'] },
  Service: { apiVersion: 'v1', short: 'svc' },
  EndpointSlice: { apiVersion: 'discovery.k8s.io/v1' },
  Ingress: { apiVersion: 'networking.k8s.io/v1', short: 'ing' },
  IngressClass: { apiVersion: 'networking.k8s.io/v1' },
  NetworkPolicy: { apiVersion: 'networking.k8s.io/v1', short: 'netpol' },
  ConfigMap: { apiVersion: 'v1', short: 'cm' },
  Secret: { apiVersion: 'v1' },
  ServiceAccount: { apiVersion: 'v1', short: 'sa' },
  RoleBinding: { apiVersion: 'rbac.authorization.k8s.io/v1' },
  ClusterRoleBinding: { apiVersion: 'rbac.authorization.k8s.io/v1' },
  PersistentVolumeClaim: { apiVersion: 'v1', short: 'pvc' },
  PersistentVolume: { apiVersion: 'v1', short: 'pv' },
  StorageClass: { apiVersion: 'storage.k8s.io/v1', short: 'sc' },
  HorizontalPodAutoscaler: { apiVersion: 'autoscaling/v2', short: 'hpa' },
  PodDisruptionBudget: { apiVersion: 'policy/v1', short: 'pdb' },
  CustomResourceDefinition: { apiVersion: 'apiextensions.k8s.io/v1', short: 'crd' },
  Namespace: { apiVersion: 'v1', short: 'ns' },
  Node: { apiVersion: 'v1', short: 'no' },
  Event: { apiVersion: 'v1', short: 'ev' },
} as const satisfies Record<string, KindFacts>

/** A kind that Kubernetes has itself. */
export type Kind = keyof typeof kinds
export type WorkloadKind = keyof typeof workloads

export const workloadKinds = Object.keys(workloads) as readonly WorkloadKind[]

const byWord: ReadonlyMap<string, Kind> = new Map(
  (Object.entries(kinds) as [Kind, KindFacts][]).flatMap(([kind, { short }]) =>
    [kind.toLowerCase(), pluralOf(kind), ...(short ? [short, `${short}s`] : [])].map((word) => [word, kind] as const),
  ),
)

/** The kind that a word stands for, as kubectl takes it: `deployment`, `Deployments`, `deploy`. */
export function findKind(word: string): Kind | undefined {
  return byWord.get(word.toLowerCase())
}

export function apiVersionOf(kind: Kind): string {
  return kinds[kind].apiVersion
}

/** Where the API server has all objects of a kind, those of a namespace, or one of them. */
export function apiPath(kind: Kind, namespace?: string, name?: string): string {
  const { apiVersion } = kinds[kind]
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  return `${root}${namespace ? `/namespaces/${namespace}` : ''}/${pluralOf(kind)}${name ? `/${name}` : ''}`
}

const clusterScoped: readonly Kind[] = [
  'Node',
  'Namespace',
  'PersistentVolume',
  'StorageClass',
  'IngressClass',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
]

/** Others of Kubernetes' own, and of the Gateway API, that are of no namespace (1.36). */
const otherClusterScoped = [
  ...['APIService', 'CSIDriver', 'CSINode', 'CertificateSigningRequest', 'ClusterRole', 'ClusterTrustBundle', 'ComponentStatus'],
  ...['DeviceClass', 'FlowSchema', 'IPAddress', 'MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding'],
  ...['MutatingWebhookConfiguration', 'PriorityClass', 'PriorityLevelConfiguration', 'ResourceSlice', 'RuntimeClass', 'ServiceCIDR'],
  ...['GatewayClass', 'StorageVersion', 'StorageVersionMigration', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
  ...['ValidatingWebhookConfiguration', 'VolumeAttachment', 'VolumeAttributesClass'],
]

/** Whether an object of one of Kubernetes' own kinds is of no namespace; of other kinds the API server knows. */
export function isClusterScoped(object: Typed): boolean {
  const kind = kindOf(object)
  const isOwn = !object.apiVersion.includes('/') || /\.k8s\.io\//.test(object.apiVersion)
  return kind ? clusterScoped.includes(kind) : isOwn && otherClusterScoped.includes(object.kind)
}

/** Where the API server has all objects of a kind that a client may see. */
export function listPath(kind: Kind, scope: string | undefined): string {
  return apiPath(kind, clusterScoped.includes(kind) ? undefined : scope)
}

function pluralOf(kind: Kind): string {
  const word = kind.toLowerCase()
  return word.endsWith('s') ? `${word}es` : word.endsWith('y') ? `${word.slice(0, -1)}ies` : `${word}s`
}

/** What an object is; undefined for kinds of others, also where they use a name of Kubernetes' own: `Service` of Knative. */
export function kindOf({ apiVersion, kind }: Typed): Kind | undefined {
  return Object.hasOwn(kinds, kind) && groupOf(apiVersion) === groupOf(kinds[kind as Kind].apiVersion) ? (kind as Kind) : undefined
}

type Typed = Pick<KubeObject, 'apiVersion' | 'kind'>

/** Empty for the core group. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.split('/')[0]! : ''
}

/** Whether an object runs pods. */
export function isWorkload<T extends Typed>(object: T): object is T & { readonly kind: WorkloadKind } {
  return workloadKinds.some((kind) => kind === kindOf(object))
}

/** Whether an object runs pods that go on until something ends them: those of a Job end by themselves. */
export function isServing(object: Typed): boolean {
  return isWorkload(object) && object.kind !== 'Job'
}

/** Where an object has the template of the pods that come of it, now or later; undefined when none do. */
export function templatePath(object: Typed): readonly string[] | undefined {
  const kind = kindOf(object)
  return kind && (kinds[kind] as KindFacts).template
}

/** An item of a list, which the API server sends without its kind. */
export function typed(kind: Kind, item: object): KubeObject {
  return { ...item, apiVersion: apiVersionOf(kind), kind } as KubeObject
}

/** `deployment/orders` */
export function describeObject({ kind, metadata }: Pick<KubeObject, 'kind' | 'metadata'>): string {
  return `${kind.toLowerCase()}/${metadata.name}`
}
