import type { KubeObject } from '../kube/object.ts'

const apiVersion = 'gateway.networking.k8s.io/v1'

/** @param listeners each with what makes it differ from one of HTTP at port 80 */
export function gateway(
  name: string,
  listeners: readonly object[],
  more: { namespace?: string; gatewayClassName?: string } = {},
): KubeObject {
  const { namespace, gatewayClassName = 'istio' } = more
  return {
    ...{ apiVersion, kind: 'Gateway', metadata: { name, ...(namespace && { namespace }) } },
    spec: { gatewayClassName, listeners: listeners.map((each) => ({ name: 'http', port: 80, protocol: 'HTTP', ...each })) },
  }
}

/** @param parent a Gateway, or what names one */
export function httpRoute(
  name: string,
  parent: string | object,
  { hostnames, rules, namespace }: { hostnames?: readonly string[]; rules: readonly object[]; namespace?: string },
): KubeObject {
  const parentRefs = [typeof parent === 'string' ? { name: parent } : parent]
  return {
    ...{ apiVersion, kind: 'HTTPRoute', metadata: { name, ...(namespace && { namespace }) } },
    spec: { parentRefs, ...(hostnames && { hostnames }), rules },
  }
}

/** To a Service that answers TLS itself. */
export function tlsRoute(name: string, parent: object, hostnames: readonly string[], service: string): KubeObject {
  return {
    ...{ apiVersion, kind: 'TLSRoute', metadata: { name } },
    spec: { parentRefs: [parent], hostnames, rules: [{ backendRefs: [{ name: service, port: 443 }] }] },
  }
}

/** A rule that leads to the port 80 of a Service. */
export function leads(service: string, path?: string, more: object = {}) {
  return {
    ...(path && { matches: [{ path: { type: 'PathPrefix', value: path } }] }),
    backendRefs: [{ name: service, port: 80 }],
    ...more,
  }
}
