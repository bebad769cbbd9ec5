/** On the classes that suites get for their Ingresses and Gateways, which any number of suites may name. */
export const ownClassLabels = { 'app.kubernetes.io/managed-by': 'vitest-kubernetes' } as const

/** Whether an IngressClass or GatewayClass is one of those, and not the stack's. */
export function isOwnClass({ metadata }: { readonly metadata?: { readonly labels?: Readonly<Record<string, string>> } }): boolean {
  return Object.entries(ownClassLabels).every(([key, value]) => metadata?.labels?.[key] === value)
}
