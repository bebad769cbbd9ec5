export interface Namespaced {
  readonly metadata?: { readonly namespace?: string | undefined } | undefined
}

/** @param namespaces undefined for all but those of the cluster itself */
export function isInNamespaces({ metadata }: Namespaced, namespaces: readonly string[] | undefined): boolean {
  const { namespace } = metadata ?? {}
  return namespaces ? namespace !== undefined && namespaces.includes(namespace) : namespace !== 'kube-system'
}
