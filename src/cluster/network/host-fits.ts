/**
 * Whether a rule for that host takes requests to a name: `*.shop.localhost` takes `red.shop.localhost`, and `a.red.shop.localhost` only by a
 * Gateway.
 */
export function hostFits({ host, gateway }: { readonly host: string; readonly gateway?: unknown }, name: string): boolean {
  if (!host.startsWith('*.')) return host !== '' && host === name
  if (gateway) return name.endsWith(host.slice(1)) && name.length >= host.length
  return name.includes('.') && name.slice(name.indexOf('.')) === host.slice(1)
}
