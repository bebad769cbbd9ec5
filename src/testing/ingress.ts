import type { KubeObject } from '../kube/object.ts'

export function ingress(name: string, spec: Record<string, unknown>, metadata: Record<string, unknown> = {}): KubeObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, ...metadata }, spec }
}

/** A rule for a host; an empty one is for all. */
export function rule(host: string, ...paths: readonly object[]) {
  return { ...(host && { host }), http: { paths } }
}

/** A path that leads to the port `http` of a Service. */
export function to(path: string, service: string, pathType = 'Prefix') {
  return { path, pathType, backend: backend(service) }
}

export function backend(service: string, port: { readonly name: string } | { readonly number: number } = { name: 'http' }) {
  return { service: { name: service, port } }
}
