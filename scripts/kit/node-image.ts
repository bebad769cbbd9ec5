import { chmod, cp, mkdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'

import { goBuild } from './go-build.ts'
import type { Kit } from './kit.ts'
import { moduleVersion } from './module-version.ts'
import { buildRootfs } from './node-rootfs.ts'

const NODE = 'fixtures/node'
const IMAGE_INPUTS = [NODE, ...['node-image', 'node-rootfs', 'node-userland', 'go-build'].map((name) => `scripts/kit/${name}.ts`)]

/** As in k3s' image. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/bin/aux'

const DEFAULT_OBJECTS = [
  'clusterroles',
  'clusterrolebindings',
  'roles',
  'rolebindings',
  'flowschemas',
  'prioritylevelconfigurations',
  'priorityclasses',
]

export interface NodeImages {
  readonly node: string
  /** Stands in for k3d's helper image: it only has to run. */
  readonly tools: string
}

interface Programs {
  readonly kube: string
  readonly k3s: string
  readonly containerd: string
  readonly kine: string
  readonly crictl: string
  readonly coredns: string
  readonly netpol: string
  readonly localPath: string
  readonly pause: string
}

export async function nodeImageTags(kit: Kit): Promise<NodeImages> {
  const hash = await kit.hash(IMAGE_INPUTS)
  const version = await moduleVersion(`${NODE}/kube`, 'k8s.io/kubernetes')
  return { node: `vitest-kubernetes/node:${version}-${hash}`, tools: `vitest-kubernetes/k3d-tools:${hash}` }
}

/** Builds the node image from Go modules and Debian packages, once for each content of fixtures/node. */
export async function ensureNodeImages(kit: Kit): Promise<NodeImages> {
  const tags = await nodeImageTags(kit)
  if ((await kit.imageExists(tags.node)) && (await kit.imageExists(tags.tools))) return tags
  const programs = await buildPrograms(kit)
  const rootfs = await buildRootfs(kit)
  const work = await kit.scratch('image')
  try {
    await kit.step(`assemble image ${tags.node}`, () => assemble(kit, work, rootfs, programs, tags))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return tags
}

async function buildPrograms(kit: Kit): Promise<Programs> {
  const version = await moduleVersion(`${NODE}/kube`, 'k8s.io/kubernetes')
  const [, minor] = version.split('.')
  const component = 'k8s.io/component-base/version'
  const client = 'k8s.io/client-go/pkg/version'
  const kubeFlags = [`-X ${component}.gitVersion=${version} -X ${component}.gitMajor=1 -X ${component}.gitMinor=${minor}`]
  kubeFlags.push(`-X ${client}.gitVersion=${version}`)
  const build = async (name: string, packages: readonly string[], options: { ldflags?: string; cgo?: boolean; tags?: string[] } = {}) => {
    const [folder] = await goBuild(kit, { module: `${NODE}/${name}`, packages, ...options })
    return folder
  }
  const containerd = 'github.com/containerd/containerd/v2'
  return {
    k3s: join(await build('k3s', ['.'], { ldflags: `-X main.version=${version}` }), 'k3s'),
    pause: join(await build('pause', ['.']), 'pause'),
    kube: join(await build('kube', ['.'], { ldflags: kubeFlags.join(' ') }), 'kube'),
    containerd: await build(
      'containerd',
      ['containerd', 'containerd-shim-runc-v2', 'ctr'].map((name) => `${containerd}/cmd/${name}`),
      {
        ldflags: `-X ${containerd}/version.Version=${await moduleVersion(`${NODE}/containerd`, containerd)}`,
        tags: ['no_btrfs', 'no_devmapper', 'no_zfs'],
      },
    ),
    kine: join(await build('kine', ['github.com/k3s-io/kine'], { cgo: true, tags: ['netgo', 'osusergo'] }), 'kine'),
    crictl: join(await build('crictl', ['sigs.k8s.io/cri-tools/cmd/crictl']), 'crictl'),
    coredns: join(await build('coredns', ['.']), 'coredns'),
    netpol: join(await build('netpol', ['.']), 'netpol'),
    localPath: join(await build('local-path', ['github.com/rancher/local-path-provisioner']), 'local-path-provisioner'),
  }
}

async function assemble(kit: Kit, work: string, rootfs: string, programs: Programs, tags: NodeImages): Promise<void> {
  const tree = join(work, 'node')
  await kit.run('cp', ['--archive', rootfs, tree])
  const bin = join(tree, 'bin')
  await cp(programs.containerd, bin, { recursive: true })
  for (const program of [programs.k3s, programs.crictl]) await kit.run('cp', [program, bin])
  // k3s has these in itself: they are where no script finds them.
  const hidden = join(tree, 'usr/local/lib/k3s')
  await mkdir(hidden, { recursive: true })
  for (const program of [programs.kube, programs.kine, programs.netpol]) await kit.run('cp', [program, hidden])
  for (const name of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy']) {
    await symlink('kube', join(hidden, name))
  }
  await symlink('k3s', join(bin, 'kubectl'))
  for (const family of ['iptables', 'ip6tables']) {
    for (const suffix of ['', '-save', '-restore']) await symlink('/bin/k3s', join(bin, 'aux', family + suffix))
  }
  await bundleState(kit, work, tree, await importPodImages(kit, work, rootfs, programs))
  await importImage(kit, join(work, 'pause'), tags.tools, ['ENTRYPOINT ["/pause"]'])
  // As k3s's image: what a cluster keeps lies in volumes.
  await importImage(kit, tree, tags.node, [
    'VOLUME ["/var/lib/kubelet", "/var/lib/rancher/k3s", "/var/lib/cni", "/var/log"]',
    `ENV PATH=${PATH}`,
    'ENV CONTAINERD_ADDRESS=/run/k3s/containerd/containerd.sock CONTAINERD_NAMESPACE=k8s.io',
    'ENV CONTAINER_RUNTIME_ENDPOINT=unix:///run/k3s/containerd/containerd.sock',
    'ENTRYPOINT ["/bin/k3s"]',
    'CMD ["server"]',
  ])
}

/** Runs the node's own programs once, so that a node finds images unpacked and the API server's default objects there when it starts. */
async function bundleState(kit: Kit, work: string, tree: string, images: readonly string[]): Promise<void> {
  const [archives, data] = [join(work, 'archives'), join(work, 'data')]
  await Promise.all([mkdir(archives), mkdir(data)])
  await kit.run('docker', ['save', '--output', join(archives, 'node.tar'), ...images])
  await kit.run('docker', ['image', 'rm', ...images])
  const builder = `vitest-kubernetes/node-builder:${process.pid}`
  await importImage(kit, tree, builder, ['ENTRYPOINT ["/bin/k3s"]', `ENV PATH=${PATH}`])
  try {
    const volumes = ['--volume', `${archives}:/usr/local/share/k3s/images:ro`, '--volume', `${data}:/var/lib/rancher/k3s`]
    await kit.run('docker', ['run', '--rm', '--privileged', ...volumes, builder, 'prepare-image'])
  } finally {
    await kit.run('docker', ['image', 'rm', builder])
  }
  await mkdir(join(tree, 'usr/local/share/k3s'), { recursive: true })
  await rename(join(data, 'agent/containerd'), join(tree, 'usr/local/share/k3s/containerd'))
  await keepDefaultObjects(join(data, 'server/db/state.db'), join(tree, 'usr/local/share/k3s/state.db'))
}

/** Only what is the same in every cluster: whatever bears a cluster's identity or certificates is made by each cluster itself. */
async function keepDefaultObjects(store: string, target: string): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(store)
  const kept = DEFAULT_OBJECTS.map((resource) => `name NOT LIKE '/registry/${resource}/%'`)
  database.exec(`DELETE FROM kine WHERE ${kept.join(' AND ')} AND name <> 'compact_rev_key'`)
  database.exec('PRAGMA journal_mode = DELETE; VACUUM')
  database.close()
  await rename(store, target)
}

/** The images of the node's own pods. Resolves with their tags, which the manifests in fixtures/node/k3s name. */
async function importPodImages(kit: Kit, work: string, rootfs: string, programs: Programs): Promise<string[]> {
  const tags = {
    pause: 'vitest-kubernetes/pause:1',
    busybox: 'vitest-kubernetes/node-busybox:1',
    coredns: `vitest-kubernetes/coredns:${await moduleVersion(`${NODE}/coredns`, 'github.com/coredns/coredns')}`,
    localPath: `vitest-kubernetes/local-path-provisioner:${await moduleVersion(`${NODE}/local-path`, 'github.com/rancher/local-path-provisioner')}`,
  }
  for (const name of ['pause', 'coredns', 'localPath'] as const) {
    const tree = join(work, name)
    await mkdir(tree)
    const program = programs[name].split('/').at(-1)
    await kit.run('cp', [programs[name], tree])
    await importImage(kit, tree, tags[name], [`ENTRYPOINT ["/${program}"]`])
  }
  const busybox = join(work, 'busybox')
  await mkdir(join(busybox, 'bin'), { recursive: true })
  await mkdir(join(busybox, 'tmp'))
  await chmod(join(busybox, 'tmp'), 0o1777)
  await kit.run('cp', ['--archive', ...['etc', 'lib64'].map((name) => join(rootfs, name)), busybox])
  await mkdir(join(busybox, 'lib/x86_64-linux-gnu'), { recursive: true })
  for (const name of ['ld-linux-x86-64.so.2', 'libc.so.6', 'libresolv.so.2', 'libm.so.6']) {
    await kit.run('cp', [join(rootfs, 'lib/x86_64-linux-gnu', name), join(busybox, 'lib/x86_64-linux-gnu')])
  }
  await kit.run('cp', [join(rootfs, 'bin/busybox'), join(busybox, 'bin')])
  const applets = (await kit.run('chroot', [rootfs, '/bin/busybox', '--list'])).trim().split('\n')
  for (const applet of applets) if (applet !== 'busybox') await symlink('busybox', join(busybox, 'bin', applet))
  await importImage(kit, busybox, tags.busybox, ['ENV PATH=/bin', 'CMD ["sh"]'])
  return Object.values(tags)
}

async function importImage(kit: Kit, tree: string, tag: string, changes: readonly string[]): Promise<void> {
  const archive = `${tree}.tar`
  await kit.run('tar', ['--create', '--file', archive, '--directory', tree, '--owner=0', '--group=0', '--numeric-owner', '.'])
  await kit.run('docker', ['import', ...changes.flatMap((change) => ['--change', change]), archive, tag])
  await rm(archive)
}
