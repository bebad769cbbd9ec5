import type { ServiceAddress } from './service-address.ts'

/** The one of a Service's addresses that is meant: by its port's number or name, or else the only one, or the one named `http`. */
export function chooseAddress(own: readonly ServiceAddress[], port: number | string | undefined): ServiceAddress | undefined {
  if (port !== undefined) return own.find((address) => address.port === port || address.portName === port)
  return own.length === 1 ? own[0] : own.find(({ portName }) => portName === 'http')
}
