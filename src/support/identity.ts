import { randomBytes } from 'node:crypto'

/** Lower-case name part for Docker and Kubernetes: `Checkout (EU)` becomes `checkout-eu`. At most `length` characters. */
export function slug(text: string, length: number): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, length)
    .replaceAll(/^-+|-+$/g, '')
  return name || 'x'
}

/** Random lower-case hexadecimal id. */
export function randomId(bytes = 3): string {
  return randomBytes(bytes).toString('hex')
}
