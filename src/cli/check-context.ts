import { checkNamespace } from '../engine/leased/check-namespace.ts'
import { readContext } from '../engine/leased/kubeconfig.ts'
import { readHolder } from '../engine/leased/namespace-lease.ts'
import { poolNames } from '../engine/leased/options.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import type { Check } from './checks.ts'

interface ContextFacts {
  readonly kubeconfig: string
  readonly context: string
  /** Of a pool; none where suites create theirs. */
  readonly namespaces: readonly string[]
}

/** Looks whether suites can run in an existing cluster. Changes nothing there. */
export async function checkContext({ kubeconfig, context: name, namespaces }: ContextFacts): Promise<readonly Check[]> {
  try {
    const { kube, server } = readContext(kubeconfig, name)
    const { gitVersion } = await kube.request<{ gitVersion: string }>('GET', '/version', { timeout: 10_000 })
    const pool = await Promise.all(poolNames(namespaces).map((each) => checkOne(each)))
    return [{ name: 'API server', status: 'ok', text: `${gitVersion} at ${server}` }, ...pool]

    async function checkOne(namespace: string): Promise<Check> {
      try {
        await checkNamespace(kube, namespace)
        const holder = await readHolder(kube, namespace)
        return { name: namespace, status: 'ok', text: holder ? `held by ${holder}` : 'free' }
      } catch (error) {
        return failed(namespace, error)
      }
    }
  } catch (error) {
    return [failed('API server', error)]
  }
}

function failed(name: string, error: unknown): Check {
  const [text = ''] = messageOf(error).split('\nHint: ')
  const hint = error instanceof ClusterTestError ? error.hint : undefined
  return { name, status: 'failed', text, ...(hint && { fix: hint }) }
}
