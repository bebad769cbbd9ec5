import { stringify } from 'yaml'

import { poolLabel } from '../engine/leased/labels.ts'
import { poolNames } from '../engine/leased/options.ts'
import { ClusterTestError } from '../support/errors.ts'
import type { RunCommand } from './command.ts'

const levels = ['privileged', 'baseline', 'restricted']

/** Prints what an administrator applies once, so that others may run suites in namespaces of a cluster. */
export const rbac: RunCommand = async ({ positionals, values }, { print }) => {
  const names = poolNames(positionals)
  const subjects = (values['subject'] as readonly string[] | undefined)?.map(subjectOf)
  const level = values['podSecurity'] as string | undefined
  if (!subjects)
    throw new ClusterTestError('ERR_OPTIONS_INVALID', 'Nobody is named who may run suites.', {
      hint: 'Name them: --subject group:devs user:ann@example.com serviceaccount:ci/runner',
    })
  if (level !== undefined && !levels.includes(level))
    throw new ClusterTestError('ERR_OPTIONS_INVALID', `Expected --pod-security to be one of ${levels.join(', ')}, got "${level}".`)
  const objects = names.flatMap((name) => [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { [poolLabel]: 'true', ...(level && { 'pod-security.kubernetes.io/enforce': level }) } },
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'vitest-kubernetes', namespace: name },
      // All that suites do there, and nothing elsewhere.
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
      subjects,
    },
  ])
  print(
    values['json']
      ? JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, null, 2)
      : objects.map((object) => stringify(object).trimEnd()).join('\n---\n'),
  )
  return 0
}

const apiGroup = 'rbac.authorization.k8s.io'

/** `group:devs`, `user:ann@example.com`, `serviceaccount:ci/runner` */
function subjectOf(text: string): object {
  const [, kind, name = ''] = /^(group|user|serviceaccount):(.+)$/.exec(text) ?? []
  if (kind === 'group') return { kind: 'Group', name, apiGroup }
  if (kind === 'user') return { kind: 'User', name, apiGroup }
  const [namespace, account, ...rest] = name.split('/')
  if (kind === 'serviceaccount' && namespace && account && rest.length === 0) return { kind: 'ServiceAccount', name: account, namespace }
  throw new ClusterTestError(
    'ERR_OPTIONS_INVALID',
    `Expected a subject such as group:devs, user:ann or serviceaccount:ci/runner, got "${text}".`,
  )
}
