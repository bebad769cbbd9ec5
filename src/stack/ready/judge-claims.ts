import type { PersistentVolumeClaim, Pod } from '../../kube/types.ts'
import { formatList } from '../../support/format.ts'
import { eventsOf } from './events-of.ts'
import { ruleFor } from './reasons.ts'
import { type ClusterState, type Facts, type Verdict, failedBy } from './verdict.ts'

/** Why a claim of a pod has no volume, with the claims and classes that there are. */
export function judgeClaims(pod: Pod, state: ClusterState): readonly Verdict[] {
  const { facts } = state
  if (!facts) return []
  return claimNames(pod)
    .flatMap((name) => judgeClaim(name, pod, state, facts))
    .slice(0, 1)
}

/** Claims by name, templates of a StatefulSet among them, and those that are made for ephemeral volumes. */
function claimNames({ metadata, spec }: Pod): readonly string[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [persistentVolumeClaim.claimName]
    return ephemeral ? [`${metadata?.name}-${name}`] : []
  })
}

function judgeClaim(name: string, pod: Pod, state: ClusterState, { claims, storageClasses }: Facts): readonly Verdict[] {
  const { name: podName, namespace = 'default' } = pod.metadata ?? {}
  const own = claims.filter(({ metadata }) => metadata?.namespace === namespace)
  const claim = own.find(({ metadata }) => metadata?.name === name)
  const verdict = (why: string, more: Partial<Verdict> = {}) => ({
    reason: `pod "${podName}": ${why}`,
    cause: `${podName} ${name}`,
    ...more,
  })
  if (!claim) {
    const told = eventsOf({ kind: 'Pod', metadata: pod.metadata }, state.events).find(({ reason }) => reason === 'FailedBinding')?.message
    const there = formatList(own.map(({ metadata }) => metadata!.name!))
    return failedBy(
      { verdict: 'unless', needs: 'objects', after: 3000 },
      verdict(`PersistentVolumeClaim "${name}" is not there${told ? `: ${told}` : ''}; namespace "${namespace}" has ${there}`, {
        missing: { kind: 'PersistentVolumeClaim', namespace, name },
      }),
    )
  }
  if (claim.status?.phase === 'Bound') return []
  const wanted = claim.spec?.storageClassName
  const classes = storageClasses && formatList(storageClasses.map(({ metadata }) => metadata.name))
  const last = eventsOf({ kind: 'PersistentVolumeClaim', metadata: claim.metadata }, state.events)[0]
  const words = last?.message ? `: ${last.message.trim()}` : ''
  // An empty name asks for a volume that is there.
  if (wanted && storageClasses && !storageClasses.some(({ metadata }) => metadata.name === wanted) && !hasVolume(claim))
    return failedBy(
      { verdict: 'unless', needs: 'objects', after: 3000 },
      verdict(`PersistentVolumeClaim "${name}" asks for StorageClass "${wanted}", which is not there; the cluster has ${classes}`, {
        hint: `Name one that is there, leave storageClassName out for the default, or add StorageClass "${wanted}" to "manifests".`,
      }),
    )
  if (claim.status?.phase === 'Lost')
    return failedBy(ruleFor('event', 'ClaimLost'), verdict(`PersistentVolumeClaim "${name}" is lost${words}`))
  if (!last) return []
  return failedBy(
    ruleFor('event', last.reason ?? '', last.message),
    verdict(
      `PersistentVolumeClaim "${name}"${wanted ? ` of StorageClass "${wanted}"` : ''} is not bound${words}${classes === undefined ? '' : `; the cluster has the classes ${classes}`}`,
    ),
  )
}

function hasVolume({ spec }: PersistentVolumeClaim): boolean {
  return spec?.volumeName !== undefined
}
