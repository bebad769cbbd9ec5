import { classOf, controllerName, namespacesAnnotation } from '../../cluster/network/ingress-routes.ts'
import { ownClassLabels } from '../../cluster/network/own-class.ts'
import { type Listener, gatewayGroup } from '../../kube/gateway-api.ts'
import { kindOf } from '../../kube/kinds.ts'
import type { KubeObject } from '../../kube/object.ts'
import type { Ingress, IngressClass } from '../../kube/types.ts'
import type { Manifest } from '../manifests/manifests.ts'
import { type ServedGateways, origin } from './gateways.ts'
import { isLeftToK3s } from './left-to-k3s.ts'

export interface ControllerOptions {
  /** Of objects that name none; the controller is there too. */
  readonly namespace: string
  /** Whether other suites have Ingresses in the cluster, and a controller each. */
  readonly isShared: boolean
  readonly k3sArgs: readonly string[] | undefined
}

/**
 * Docker pulls it once, in place of each cluster's nodes. Under a name of its own, so that no image of the user's is taken for it; offline
 * another one is substituted for it, as for those of services.
 */
export const controllerImage = { name: 'vitest-kubernetes/ingress', reference: 'traefik:v3.7' } as const

/** Name of the port of Traefik's own API, for its probe and for us. */
export const adminPort = 'admin'

/** Traefik takes a Gateway's listener only where it listens at the same port itself. */
const ports = { http: 80, https: 443 } as const

/**
 * The ingress controller that serves the Ingresses and Gateways among these manifests: objects like those of a service, so that it is
 * waited for, published and removed as they are. Nothing where there are none, and where something else serves them: a class that the
 * manifests define, or the Traefik that k3s brings.
 */
export function ingressController(
  manifests: readonly Manifest[],
  { served, missing, listeners }: ServedGateways,
  options: ControllerOptions,
): readonly Manifest[] {
  const ingresses = servedIngresses(manifests, options)
  if (ingresses.length === 0 && served.length === 0) return []
  const { namespace, isShared } = options
  // Those of Services and Secrets that they lead to count too.
  const namespaces = [...new Set([...manifests, ...missing].map(({ object }) => object.metadata.namespace ?? namespace))].toSorted()
  const classes = [...new Set(ingresses.flatMap(({ object }) => specOf(object)?.ingressClassName ?? []))].toSorted()
  return [
    // Any number of suites may name the same class.
    ...classes.map((name) => ({ object: ingressClass(name), origin, isCommon: true })),
    ...missing,
    ...controllerObjects({
      namespace,
      listeners: served.length > 0 ? listeners : undefined,
      namespaces: isShared ? namespaces : undefined,
      hasNginx: ingresses.some(({ object }) => classOf(object) === 'nginx'),
    }).map((object) => ({ object, origin })),
  ]
}

/** The Ingresses that are ours to serve. */
export function servedIngresses(manifests: readonly Manifest[], { k3sArgs }: Pick<ControllerOptions, 'k3sArgs'>): readonly Manifest[] {
  if (isLeftToK3s(k3sArgs)) return []
  const defined = manifests.flatMap(({ object, isCommon }) => (kindOf(object) === 'IngressClass' && !isCommon ? [object] : []))
  const names = new Set(defined.map(({ metadata }) => metadata.name))
  const hasDefault = defined.some((object) => (object as IngressClass).metadata?.annotations?.[defaultClass] === 'true')
  return manifests.filter(({ object }) => {
    if (kindOf(object) !== 'Ingress') return false
    const named = classOf(object)
    return named === undefined ? !hasDefault : !names.has(named)
  })
}

const defaultClass = 'ingressclass.kubernetes.io/is-default-class'

export function specOf(object: KubeObject): Ingress['spec'] {
  return (object as Ingress).spec
}

/** Traefik understands the annotations of ingress-nginx as well, for Ingresses of a class that is nginx'. */
function ingressClass(name: string): KubeObject {
  const controller = name === 'nginx' ? 'k8s.io/ingress-nginx' : 'traefik.io/ingress-controller'
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name, labels: ownClassLabels },
    spec: { controller },
  }
}

interface Controller {
  readonly namespace: string
  /** Those that it serves; undefined for all. */
  readonly namespaces: readonly string[] | undefined
  /** Of Gateways; undefined where it does not serve any. */
  readonly listeners: readonly Listener[] | undefined
  /** Whether there are Ingresses with nginx' annotations. */
  readonly hasNginx: boolean
}

function controllerObjects(controller: Controller): readonly KubeObject[] {
  const { namespace, namespaces, listeners } = controller
  const metadata = { name: controllerName, namespace, labels: ownClassLabels }
  // Of the whole cluster, where other suites may have one too.
  const role = `vitest-kubernetes-ingress-${namespace}`
  const rbac = 'rbac.authorization.k8s.io'
  const selector = { 'vitest-kubernetes.ingress': controllerName }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: role },
      rules: [
        rule('', ['services', 'secrets', 'configmaps', 'namespaces', 'nodes'], reading),
        rule('discovery.k8s.io', ['endpointslices'], reading),
        rule('networking.k8s.io', ['ingresses', 'ingressclasses'], reading),
        rule('networking.k8s.io', ['ingresses/status'], ['update']),
        ...(listeners ? [rule(gatewayGroup, ['*'], reading), rule(gatewayGroup, ['*/status'], ['update'])] : []),
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: role },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: controllerName, namespace }],
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, annotations: { [namespacesAnnotation]: namespaces?.join(',') ?? '*' } },
      spec: { selector, ports: portsOf(controller).map(({ name, port }) => ({ name, port, targetPort: name })) },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        selector: { matchLabels: selector },
        template: {
          metadata: { labels: selector },
          spec: {
            serviceAccountName: controllerName,
            enableServiceLinks: false,
            terminationGracePeriodSeconds: 1,
            containers: [
              {
                name: 'traefik',
                image: controllerImage.name,
                args: traefikArgs(controller),
                ports: [
                  ...portsOf(controller).map(({ name, port }) => ({ name, containerPort: port })),
                  { name: adminPort, containerPort: adminPortOf(controller) },
                ],
                readinessProbe: { httpGet: { path: '/ping', port: adminPort }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    },
  ]
}

const reading = ['get', 'list', 'watch']

function rule(group: string, resources: readonly string[], verbs: readonly string[]) {
  return { apiGroups: [group], resources, verbs }
}

/** What Traefik calls where it listens. */
export function entryPointOf(port: number): string {
  return port === ports.http ? 'web' : port === ports.https ? 'websecure' : `port-${port}`
}

/** Each with a name, which a Gateway's listener need not have for itself. */
function portsOf({ listeners = [] }: Controller): readonly { readonly name: string; readonly port: number }[] {
  const known = Object.entries(ports).map(([name, port]) => ({ name, port }))
  const others = new Map(listeners.map(({ port, protocol }) => [port, `${protocol.toLowerCase()}-${port}`]))
  for (const { port } of known) others.delete(port)
  return [...known, ...[...others].map(([port, name]) => ({ name, port }))]
}

/** One at which no Gateway listens. */
function adminPortOf({ listeners = [] }: Controller): number {
  return [8080, 8081, ...listeners.map(({ port }) => port + 1)].find(
    (each) => each < 65_536 && listeners.every(({ port }) => port !== each),
  )!
}

function traefikArgs(controller: Controller): readonly string[] {
  const { namespaces, listeners, hasNginx } = controller
  const gateway = '--providers.kubernetesgateway'
  const ofGateways = [
    `${gateway}=true`,
    // A GatewayClass that the stack has itself is left to whoever it is for.
    `${gateway}.labelselector=${Object.entries(ownClassLabels)
      .map((each) => each.join('='))
      .join(',')}`,
    `${gateway}.statusaddress.hostname=localhost`,
    ...(namespaces ? [`${gateway}.namespaces=${namespaces.join(',')}`] : []),
    ...portsOf(controller)
      .filter(({ name }) => !Object.hasOwn(ports, name))
      .map(({ port }) => `--entrypoints.${entryPointOf(port)}.address=:${port}`),
  ]
  const traefik = '--providers.kubernetesingress'
  const nginx = '--providers.kubernetesingressnginx'
  const ofNginx = [
    `${nginx}.publishstatusaddress=localhost`,
    `${nginx}.httpentrypoint=web`,
    `${nginx}.httpsentrypoint=websecure`,
    ...(namespaces ? [`${nginx}.watchnamespaceselector=kubernetes.io/metadata.name in (${namespaces.join(',')})`] : []),
  ]
  return [
    '--global.checknewversion=false',
    '--global.sendanonymoususage=false',
    `--entrypoints.traefik.address=:${adminPortOf(controller)}`,
    `--entrypoints.web.address=:${ports.http}`,
    '--entrypoints.web.asdefault=true',
    `--entrypoints.websecure.address=:${ports.https}`,
    '--entrypoints.websecure.asdefault=true',
    '--entrypoints.websecure.http.tls=true',
    '--ping=true',
    '--api.insecure=true',
    // A change is served at once: what a test applies is what its next request meets.
    '--providers.providersthrottleduration=0s',
    // As Kubernetes defines `Prefix`: `/shop` takes `/shop/cart`, and not `/shopping`.
    `${traefik}.strictprefixmatching=true`,
    // 503 as long as nothing is ready behind a rule, in place of 404.
    `${traefik}.allowemptyservices=true`,
    `${traefik}.allowexternalnameservices=true`,
    `${traefik}.ingressendpoint.hostname=localhost`,
    ...(namespaces ? [`${traefik}.namespaces=${namespaces.join(',')}`] : []),
    ...(hasNginx ? ofNginx : []),
    ...(listeners ? ofGateways : []),
  ]
}
