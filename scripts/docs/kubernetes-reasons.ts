import { execFileSync } from 'node:child_process'
import { glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

// Usage: node scripts/docs/kubernetes-reasons.ts
// Writes fixtures/kubernetes/reasons.json: every reason that kubelet, the scheduler and the controllers give, as their sources have it.
// The sources are in Go's module cache once scripts/setup has built the node image.

const cache = execFileSync('go', ['env', 'GOMODCACHE'], { encoding: 'utf8' }).trim()
const goMod = await readFile('fixtures/node/kube/go.mod', 'utf8')
const version = /k8s\.io\/kubernetes (v\S+)/.exec(goMod)![1]!
const kubernetes = join(cache, `k8s.io/kubernetes@${version}`)
const staging = (name: string) => join(cache, `k8s.io/${name}@v0${version.slice(2)}`)

/** `Name = "Reason"`, with or without `const` and a type. */
const constant = /^\s*(?:const\s+)?(\w+)(?:\s+[\w.]+)?\s*=\s*"([A-Za-z][\w-]*)"/gm

const components = await readAll(['kubelet', 'scheduler', 'controller', 'volume'].map((name) => join(kubernetes, 'pkg', name)))
const core = await readAll([join(staging('api'), 'core/v1')])
const constants = Map.groupBy(
  [...components, ...core].flatMap(({ text }) => [...text.matchAll(constant)]),
  ([, name]) => name!,
)

const reasons = {
  container: [
    ...(await errorsIn('pkg/kubelet/images/types.go')),
    ...(await errorsIn('pkg/kubelet/container/sync_result.go')),
    ...(await errorsIn('pkg/kubelet/kuberuntime/kuberuntime_container.go')),
    ...(await errorsIn(join(staging('cri-api'), 'pkg/errors/errors.go'))),
    ...(await constantsIn('pkg/kubelet/kubelet_pods.go', /^(?:PodInitializing|ContainerCreating)$/)),
    ...(await constantsIn('pkg/kubelet/container/runtime.go', /^ContainerReason/)),
  ],
  pod: [
    ...(await constantsIn('pkg/kubelet/lifecycle/predicate.go')),
    ...(await constantsIn('pkg/kubelet/lifecycle/handlers.go', /Reason$/)),
    ...(await constantsIn('pkg/kubelet/sysctl/allowlist.go', /Reason$/)),
    ...(await constantsIn('pkg/kubelet/eviction/helpers.go', /^Reason$/)),
    ...(await constantsIn('pkg/kubelet/nodeshutdown/nodeshutdown_manager.go', /Reason$/)),
    ...(await constantsIn('pkg/kubelet/active_deadline.go', /^reason$/)),
    ...(await constantsIn('pkg/kubelet/cm/admission/errors.go', /^ErrorReason/)),
    ...(await constantsIn('pkg/kubelet/cm/topologymanager/topology_manager.go', /^ErrorTopologyAffinity$/)),
    ...(await constantsIn('pkg/kubelet/volumemanager/volume_manager.go', /Reason$/)),
    ...(await constantsIn('pkg/util/node/node.go', /Reason$/)),
  ],
  condition: [
    ...(await constantsIn('pkg/controller/deployment/util/deployment_util.go', /Reason$/)),
    ...(await constantsIn('pkg/kubelet/status/generate.go')),
    ...(await constantsIn(join(staging('api'), 'core/v1/types.go'), /^PodReason/)),
    ...(await constantsIn(join(staging('api'), 'batch/v1/types.go'), /^JobReason/)),
  ],
  event: [
    ...components.flatMap(({ text }) =>
      [...text.matchAll(/EventType(?:Normal|Warning),\s*([\w.]+|"[^"]*")/g)].flatMap(([, name]) => valuesOf(name!)),
    ),
    ...(await constantsIn('pkg/kubelet/events/event.go')),
    ...(await constantsIn('pkg/controller/volume/events/event.go')),
  ],
  /** What the scheduler says of nodes, one part of the message each. */
  unschedulable: (await readAll([join(kubernetes, 'pkg/scheduler/framework/plugins')])).flatMap(({ text }) =>
    [...text.matchAll(/[eE]rrReason\w*(?: \w+)?\s*=\s*"(node\(s\)[^"]*)"|Reason:\s*"((?:Insufficient|Too many)[^"]*)"/g)].map(
      ([, nodes, room]) => nodes ?? room!,
    ),
  ),
}

const sorted = Object.fromEntries(Object.entries(reasons).map(([area, names]) => [area, [...new Set(names)].toSorted()]))
await mkdir('fixtures/kubernetes', { recursive: true })
await writeFile('fixtures/kubernetes/reasons.json', `${JSON.stringify({ version, ...sorted }, undefined, 2)}\n`)

async function readAll(folders: readonly string[]): Promise<readonly { readonly text: string }[]> {
  const files = await Promise.all(folders.map((folder) => Array.fromAsync(glob('**/*.go', { cwd: folder }), (file) => join(folder, file))))
  const own = files.flat().filter((file) => !/_test\.go$|\/testing\//.test(file))
  return Promise.all(own.map(async (file) => ({ text: await readFile(file, 'utf8') })))
}

/** Names that are variables tell nothing: their values are told where they are set. */
function valuesOf(name: string): readonly string[] {
  if (name.startsWith('"')) return [name.slice(1, -1)]
  // `reason` is a name that many files use for themselves.
  if (!/[A-Z]/.test(name.split('.').at(-1)!)) return []
  return (constants.get(name.split('.').at(-1)!) ?? []).map(([, , value]) => value!)
}

async function constantsIn(file: string, names = /^/): Promise<readonly string[]> {
  const text = await readFile(file.startsWith('/') ? file : join(kubernetes, file), 'utf8')
  return [...text.matchAll(constant)].filter(([, name]) => names.test(name!)).map(([, , value]) => value!)
}

async function errorsIn(file: string): Promise<readonly string[]> {
  const text = await readFile(file.startsWith('/') ? file : join(kubernetes, file), 'utf8')
  return [...text.matchAll(/errors\.New\("([A-Z]\w+)"\)/g)].map(([, value]) => value!)
}
