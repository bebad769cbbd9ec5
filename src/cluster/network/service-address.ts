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
}

/** For other processes, which read it whenever they look for a name: it is replaced at once. */
export async function writeAddresses(file: string, addresses: readonly ServiceAddress[]): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(addresses), { mode: 0o600 })
  await rename(`${file}.new`, file)
}
