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
  /** What is served there by the rules of Ingresses, where it is the stack's ingress controller. */
  readonly routes?: readonly IngressRoute[]
}

/** A rule of an Ingress: what it leads to a Service. */
export interface IngressRoute {
  readonly namespace: string
  readonly ingress: string
  /** `shop.localhost`, `*.shop.localhost`; empty for every host that no rule names. */
  readonly host: string
  readonly path: string
  readonly isTls: boolean
  readonly service: string
}

/** For other processes, which read it whenever they look for a name: it is replaced at once. */
export async function writeAddresses(file: string, addresses: readonly ServiceAddress[]): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(addresses), { mode: 0o600 })
  await rename(`${file}.new`, file)
}
