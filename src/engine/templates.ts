import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

import { standInImage } from '../bridge/stand-in.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { noteUse } from '../cluster/template/last-use.ts'
import { limitTemplates } from '../cluster/template/limit-templates.ts'
import { makeTemplate } from '../cluster/template/make-template.ts'
import { type Template, findTemplate } from '../cluster/template/template.ts'
import type { Docker } from '../docker/docker.ts'
import { inspectImage, readImageVolumes } from '../docker/images.ts'
import { describeObject } from '../kube/kinds.ts'
import type { KubeList, Pod } from '../kube/types.ts'
import { isPodReady } from '../kube/workload.ts'
import type { PlannedStep } from '../seed/plan-seeds.ts'
import { resettable } from '../seed/reset.ts'
import { isUnused, settleStore } from '../seed/settle-store.ts'
import { findStore } from '../seed/store.ts'
import { parseImageName } from '../stack/images/image-names.ts'
import { mapContainers } from '../stack/manifests/pod-spec.ts'
import { hasEnded } from '../stack/ready/pods-of.ts'
import { messageOf } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { poll } from '../support/poll.ts'
import { type Progress, runStep } from '../support/progress.ts'
import type { StackPart } from './bring-up.ts'
import { clusterOf } from './cluster-life.ts'
import type { EngineParts } from './parts.ts'
import type { SuitePlan } from './plan-suite.ts'

/** The templates of one suite: what its cluster may be forked from, and become. */
export interface SuiteTemplates {
  /** Resolves to the template of a stack, if there is one; and to undefined when it takes longer to tell than it may be worth. */
  find(stack: Promise<StackPart>): Promise<Template | undefined>
  /** Makes a template of a new cluster, in which the stack has just been brought up. */
  save(cluster: Cluster, stack: StackPart, signal: AbortSignal): Promise<void>
}

/** Milliseconds that the start of a cluster waits for images, of which a template's key is made: building them takes longer than a fork saves. */
const patience = 2_000

export function createSuiteTemplates(parts: EngineParts, plan: SuitePlan, progress: Progress): SuiteTemplates {
  const { docker } = parts
  const { request, namespace } = plan
  const isOff = parts.templateLimit === undefined || request.options.cluster === 'shared'
  let key: Promise<string> | undefined
  const keyOf = (stack: StackPart) => (key ??= templateKey(parts, plan, stack))
  const note = (why: string) => progress({ kind: 'note', step: 'template', text: `no template is made of it: ${why}` })

  return {
    async find(stack) {
      if (isOff || whyNot(plan)) return undefined
      const find = async () => {
        const template = await findTemplate(docker, await keyOf(await stack))
        if (template) await Promise.all([noteUse(template.key), parts.forecast.note(request, template.key)])
        return template
      }
      // That images cannot be prepared is said by whoever prepares them.
      return Promise.race([find().catch(() => undefined), sleep(patience, undefined, { ref: false })])
    },
    async save(cluster, stack, signal) {
      const { templateVolume } = cluster
      if (isOff || !templateVolume) return
      try {
        const why = whyNot(plan) ?? whyNotImages(stack) ?? (await whyNotStores()) ?? (await whyNotPods(docker, cluster, signal))
        if (why) return note(why)
        const wanted = await keyOf(stack)
        await parts.forecast.note(request, wanted)
        if (await findTemplate(docker, wanted)) return
        const images = Object.fromEntries(stack.images.map(({ reference, id }) => [reference, id]))
        await runStep(progress, 'template', `of "${request.suite}"`, () =>
          makeTemplate(docker, cluster, templateVolume, { key: wanted, name: request.suite, images, signal }),
        )
        const removed = await limitTemplates(docker, parts.templateLimit)
        if (removed.length === 0) return
        const names = formatList(removed.map(({ name }) => name))
        progress({ kind: 'note', step: 'template', text: `removed the templates that were used longest ago: ${names}` })
      } catch (error) {
        // The suite has all that it needs.
        signal.throwIfAborted()
        note(messageOf(error))
      }

      async function whyNotStores(): Promise<string | undefined> {
        for (const workload of resettable(request.options)) {
          const store = await findStore(workload, { kube: cluster.kube, namespace, signal })
          const why = await settleStore(store, signal)
          if (why) return why
        }
        return undefined
      }
    },
  }
}

/** What of a suite cannot be in a template, as far as it can be told without a cluster. */
function whyNot({ seeds, manifests, mounts }: SuitePlan): string | undefined {
  if (mounts.length > 0) return 'it mounts folders of this machine, which may change'
  for (const { workload, steps } of seeds.flat())
    for (const step of steps) {
      if (step.kind === 'job') return `the seed of ${workload} is a Job, and may do more than can be seen`
      if (step.kind !== 'file' && !step.durable)
        return `the seed of ${workload} is no file, and does not say that all it brings is \`durable\``
    }
  for (const { object } of manifests) {
    if ('generateName' in object.metadata) return `${describeObject(object)} has another name each time`
  }
  return undefined
}

/** What a node pulls by itself may be another image the next time, unless it is named by its content. */
function whyNotImages({ images, manifests }: StackPart): string | undefined {
  // What a stand-in runs is a part of the node.
  const local = new Set([...images.map(({ reference }) => reference), standInImage])
  let foreign: string | undefined
  for (const { object } of manifests)
    mapContainers(object, (container) => {
      if (!local.has(container.image) && parseImageName(container.image).digest === undefined) foreign ??= container.image
      return container
    })
  return foreign && `nodes pull image "${foreign}" by themselves, and may get another one next time; name it in \`images\``
}

/** Folders of a node that a template has. */
const savedFolders = ['/var/lib/rancher/', '/var/lib/kubelet/']

/** Milliseconds that pods of k3s itself may still take to start: no suite waits for them. */
const startTime = 5_000

/** All pods, as soon as those of k3s are ready, or that has taken too long. */
async function listPods({ kube }: Cluster, signal: AbortSignal): Promise<readonly Pod[]> {
  const begun = performance.now()
  const list = async () => {
    const { items } = await kube.request<KubeList<Pod>>('GET', '/api/v1/pods', { signal })
    const areReady = items.every((pod) => pod.metadata?.namespace !== 'kube-system' || hasEnded(pod) || isPodReady(pod))
    return areReady || performance.now() - begun > startTime ? items : undefined
  }
  return poll(list, { interval: 100, signal })
}

/** The same for what runs. */
async function whyNotPods(docker: Docker, cluster: Cluster, signal: AbortSignal): Promise<string | undefined> {
  const { kube } = cluster
  const items = await listPods(cluster, signal)
  for (const pod of items) {
    const { metadata, spec } = pod
    if (hasEnded(pod)) continue
    const name = `pod/${metadata?.name}`
    if (!isPodReady(pod) || metadata?.deletionTimestamp) return `${name} is not ready`
    if (spec?.activeDeadlineSeconds !== undefined) return `${name} ends after a time (activeDeadlineSeconds)`
    if (spec?.restartPolicy === 'Never') return `${name} would not be started again (restartPolicy: Never)`
    for (const { hostPath } of spec?.volumes ?? [])
      if (hostPath && metadata?.namespace !== 'kube-system' && !savedFolders.some((folder) => hostPath.path.startsWith(folder)))
        return `${name} has the node's folder "${hostPath.path}"`
    for (const { name: container, image = '', volumeMounts = [] } of spec?.containers ?? []) {
      const folders = (await readImageVolumes(docker, image)).filter(
        (path) => !volumeMounts.some(({ mountPath }) => isWithin(path, mountPath)),
      )
      const target = { namespace: metadata!.namespace!, pod: metadata!.name!, container }
      for (const folder of folders)
        if (!(await isUnused(kube, target, folder, signal))) return `${name} has data in "${folder}", in the container and not on a volume`
    }
  }
  return undefined
}

function isWithin(path: string, folder: string): boolean {
  return `${path}/`.startsWith(folder.replace(/\/*$/, '/'))
}

/** Of what is in a template: another number leaves those of before alone. */
const format = 3

/** Equal for what comes out the same. Of images the content counts, not the names. */
async function templateKey({ docker, k3d, nodeImage }: EngineParts, plan: SuitePlan, { images, manifests }: StackPart): Promise<string> {
  const { request, namespace, seeds, charts } = plan
  const { image = nodeImage ?? k3d.defaultImage, ...cluster } = clusterOf(request)
  const node = (await inspectImage(docker, image))?.id ?? image
  const files = await Promise.all(
    seeds.map((stage) =>
      Promise.all(
        stage.map(async ({ workload, steps }) => ({
          workload,
          steps: await Promise.all(steps.map(stepKey)),
        })),
      ),
    ),
  )
  const releases = await Promise.all(
    charts.map(async ({ release, path, values, options }) => ({ release, chart: await hashAll(path), values: values.json, options })),
  )
  const objects = manifests.map(({ object }) => object)
  const content = { format, version, k3d: k3d.version, node, cluster, namespace, images, objects, files, releases }
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 24)
}

/** Of files the content counts. */
async function stepKey(step: PlannedStep): Promise<object> {
  if (step.kind === 'job') return step
  const file = step.kind === 'exec' ? step.input : step.file
  return { ...step, input: undefined, file: file && (await hashFile(file.path)) }
}

/** A file, or a folder with all that is in it. */
async function hashAll(path: string): Promise<unknown> {
  if ((await stat(path)).isFile()) return hashFile(path)
  const files = (await readdir(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => relative(path, join(parentPath, name)))
    .toSorted()
  return Promise.all(files.map(async (file) => [file, await hashFile(join(path, file))]))
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
