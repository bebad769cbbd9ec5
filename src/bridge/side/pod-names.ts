import type { Pod } from '../../kube/types.ts'

type PodSpec = NonNullable<Pod['spec']>

/** What a pod is called, and how it finds others by name, in Docker's terms. */
export interface PodNames {
  /** @default Docker's */
  readonly hostname: string | undefined
  readonly domainname: string | undefined
  /** `name:address` */
  readonly extraHosts: readonly string[]
  /** Text of /etc/resolv.conf. */
  readonly resolvConf: string
}

export interface PodNamesOptions {
  /** Of a pod that runs, or else of the workload's template; undefined for what stands for no workload. */
  readonly spec?: PodSpec | undefined
  /** Of the pod that runs. */
  readonly podName?: string | undefined
  /** What the pod that runs has in /etc/resolv.conf. @default what kubelet writes for `dnsPolicy: ClusterFirst` */
  readonly resolvConf?: string | undefined
  readonly namespace: string
  /** Address of the cluster's DNS. */
  readonly dns: string
}

/** Docker's own resolver, which asks whom the nodes ask. */
const dockerDns = '127.0.0.11'

export function podNames({ spec, podName, resolvConf, namespace, dns }: PodNamesOptions): PodNames {
  const { subdomain, setHostnameAsFQDN, hostAliases = [] } = spec ?? {}
  // kubelet shortens it so (GeneratePodHostNameAndDomain).
  const hostname = spec?.hostname ?? podName?.slice(0, 63).replace(/[-.]+$/, '')
  const domain = hostname && subdomain ? `${subdomain}.${namespace}.svc.cluster.local` : undefined
  const clusterFirst = `search ${namespace}.svc.cluster.local svc.cluster.local cluster.local\nnameserver ${dns}\noptions ndots:5\n`
  return {
    hostname: domain && setHostnameAsFQDN ? `${hostname}.${domain}` : hostname,
    domainname: setHostnameAsFQDN ? undefined : domain,
    extraHosts: hostAliases.flatMap(({ ip, hostnames = [] }) => hostnames.map((name) => `${name}:${ip}`)),
    resolvConf: resolver(spec, resolvConf ?? (spec?.dnsPolicy === 'None' ? '' : clusterFirst)),
  }
}

/** Where a pod has written it, what `dnsConfig` adds is there already. */
function resolver({ dnsPolicy, dnsConfig = {} }: Pick<PodSpec, 'dnsPolicy' | 'dnsConfig'> = {}, base: string): string {
  const words = (key: string) => base.split('\n').flatMap((line) => (line.startsWith(`${key} `) ? line.trim().split(/\s+/).slice(1) : []))
  const { nameservers = [], searches = [] } = dnsConfig
  const options = new Map(words('options').map((each) => [each.split(':')[0]!, each]))
  for (const { name = '', value } of dnsConfig.options ?? []) options.set(name, value === undefined ? name : `${name}:${value}`)
  // Whom a node asks can be asked from its own network alone, or not but by its rules.
  const asked = dnsPolicy === 'Default' ? [dockerDns] : words('nameserver')
  const lines = [
    ['search', ...new Set([...words('search'), ...searches])],
    ...[...new Set([...asked, ...nameservers])].map((each) => ['nameserver', each]),
    ['options', ...options.values()],
  ]
  return lines.flatMap((line) => (line.length > 1 ? [`${line.join(' ')}\n`] : [])).join('')
}

/** The fields of a workload that a program on this machine, or in somebody else's container, does not get. */
export function ownNames(spec: PodSpec, podName?: string): readonly string[] {
  const { hostAliases = [], dnsConfig, dnsPolicy, hostname, subdomain, setHostnameAsFQDN } = spec
  // The controller of a StatefulSet sets the first two in each pod.
  const isOwn = hostname !== undefined && hostname !== podName
  const fields = {
    hostAliases: hostAliases.length > 0,
    dnsConfig: dnsConfig !== undefined,
    [`dnsPolicy: ${dnsPolicy}`]: dnsPolicy === 'None' || dnsPolicy === 'Default',
    hostname: isOwn,
    subdomain: isOwn && subdomain !== undefined,
    setHostnameAsFQDN: setHostnameAsFQDN === true,
  }
  return Object.entries(fields).flatMap(([name, isSet]) => (isSet ? [name] : []))
}
