/** Whether an Ingress' rule for that host takes requests to a name: `*.shop.localhost` takes `red.shop.localhost`, and not `a.red.shop.localhost`. */
export function hostFits(host: string, name: string): boolean {
  return host.startsWith('*.') ? name.includes('.') && name.slice(name.indexOf('.')) === host.slice(1) : host !== '' && host === name
}
