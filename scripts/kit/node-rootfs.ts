import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { installPackages } from './docker-engine.ts'
import type { Kit } from './kit.ts'
import { keepUserland } from './node-userland.ts'

const SUITE = 'bookworm'
const PACKAGES = [
  'busybox',
  'ca-certificates',
  'conntrack',
  'containernetworking-plugins',
  'coreutils',
  'ethtool',
  'findutils',
  'iproute2',
  'ipset',
  'iptables',
  'kmod',
  'mount',
  'pigz',
  'runc',
  'socat',
  'util-linux',
  'util-linux-extra',
]
const CNI_PLUGINS = ['bridge', 'host-local', 'loopback', 'portmap']
// What no process on a node reads.
const UNUSED = [
  'usr/share',
  'usr/lib/x86_64-linux-gnu/gconv',
  'usr/lib/x86_64-linux-gnu/krb5',
  'usr/lib/x86_64-linux-gnu/engines-3',
  'usr/lib/x86_64-linux-gnu/ossl-modules',
  'var/cache',
  'var/lib/apt',
  'var/lib/dpkg',
  'lib/systemd',
  'etc/apt',
]

/** The node's file system from Debian packages, without the node's own programs. Resolves with its folder in the cache. */
export async function buildRootfs(kit: Kit): Promise<string> {
  const folder = join(kit.cache, `rootfs-${await kit.hash(['scripts/kit/node-rootfs.ts', 'scripts/kit/node-userland.ts'])}`)
  if (existsSync(folder)) return folder
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error('The node image is built from Debian packages: that needs Debian (or a container of it) and root.')
  }
  if (!existsSync('/usr/bin/mmdebstrap')) {
    await kit.step('install mmdebstrap', () => installPackages(kit, ['mmdebstrap', 'debian-archive-keyring']))
  }
  await kit.step("fetch the node's Debian packages", async () => {
    const unfinished = await kit.scratch('rootfs')
    await kit.run('mmdebstrap', ['--quiet', '--variant=extract', `--include=${PACKAGES.join(',')}`, SUITE, unfinished])
    await trim(unfinished)
    await complete(kit, unfinished)
    await rename(unfinished, folder)
  })
  return folder
}

async function trim(root: string): Promise<void> {
  const authorities = join(root, 'usr/share/ca-certificates/mozilla')
  const bundle: string[] = []
  for (const name of (await readdir(authorities)).toSorted()) bundle.push(await readFile(join(authorities, name), 'utf8'))
  for (const path of UNUSED) await rm(join(root, path), { recursive: true, force: true })
  for (const plugin of await readdir(join(root, 'usr/lib/cni'))) {
    if (!CNI_PLUGINS.includes(plugin)) await rm(join(root, 'usr/lib/cni', plugin))
  }
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true })
  await writeFile(join(root, 'etc/ssl/certs/ca-certificates.crt'), bundle.join(''))
}

/** What packages would have set up if they had been installed and not just extracted. */
async function complete(kit: Kit, root: string): Promise<void> {
  for (const folder of ['etc', 'proc', 'sys', 'run', 'root', 'tmp', 'var/lib', 'var/log']) {
    await mkdir(join(root, folder), { recursive: true })
  }
  await chmod(root, 0o755)
  await chmod(join(root, 'tmp'), 0o1777)
  await rm(join(root, 'var/run'), { recursive: true, force: true })
  await symlink('/run', join(root, 'var/run'))
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n')
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
  await writeFile(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n')
  await writeFile(join(root, 'etc/os-release'), `ID=debian\nPRETTY_NAME="Debian (${SUITE})"\n`)
  await writeFile(join(root, 'etc/crictl.yaml'), 'runtime-endpoint: unix:///run/k3s/containerd/containerd.sock\n')
  await keepUserland(kit, root)
}
