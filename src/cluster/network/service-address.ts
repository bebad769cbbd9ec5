import { rename, writeFile } from 'node:fs/promises'

/** A TCP port of a Service as the host reaches it. */
export interface ServiceAddress {
  readonly namespace: string
  readonly service: string
  /** Name of the Service's port; empty where it has none. */
  readonly portName: string
  readonly port: number
  /** 127.0.0.1, or ::1 for a Service of IPv6 alone. */
  readonly host: string
  readonly hostPort: number
  /** What is served there by rules of Ingresses and Gateways, where it is the stack's ingress controller. */
  readonly routes?: readonly IngressRoute[]
}

/** A rule of an Ingress, or of a route of the Gateway API. */
export interface IngressRoute {
  readonly kind: 'ingress' | 'httproute' | 'grpcroute' | 'tlsroute'
  readonly namespace: string
  readonly name: string
  /** `shop.localhost`, `*.shop.localhost`; empty for every host that no rule names. */
  readonly host: string
  readonly path: string
  /** Of the ingress controller's Service. */
  readonly port: number
  readonly isTls: boolean
  /** The Service that it leads to; undefined where it answers by itself, as with a redirect. */
  readonly backend?: { readonly namespace: string; readonly name: string }
  /** Of the Gateway API. */
  readonly gateway?: { readonly namespace: string; readonly name: string }
}

/** For other processes, which read it whenever they look for a name: it is replaced at once. */
export async function writeAddresses(file: string, addresses: readonly ServiceAddress[]): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(addresses), { mode: 0o600 })
  await rename(`${file}.new`, file)
}
