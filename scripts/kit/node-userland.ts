import { cp, lstat, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'

import type { Kit } from './kit.ts'

/** BusyBox's programs in k3s' image (package/busybox/busybox.config of k3s-root), which has no others than these and those below. */
const APPLETS = `ash awk ar arp arping basename bc bunzip2 bzcat cat chattr chgrp chmod chown chroot chrt cksum clear cmp cp cpio cut
date dc dd devmem df diff dirname dmesg dos2unix du echo egrep env expr factor fallocate false fgrep flock fold free fsfreeze fstrim
fuser getopt grep gunzip gzip head hexdump hostid hostname id ifconfig install ipcrm ipcs kill killall last less link ln logger logname
ls lsattr lsof lzcat md5sum mkdir mkfifo mknod mktemp more mountpoint mv netstat nice nl nohup nproc nslookup od openvt paste patch
pidof ping pivot_root printenv printf ps pwd readlink realpath renice reset resize rm rmdir route run-parts sed seq setpriv setsid
sha1sum sha256sum sha512sum shred sh sleep sort strings stty su swapoff swapon switch_root sync sysctl tail tar tc tee telnet test time
top touch tr traceroute true truncate ts tty umount uname uniq unlink unxz unzip uptime usleep vi watch wc wget which who whoami xargs
xxd xz xzcat yes zcat`

/** Programs of packages, of the same origin as in k3s' image. */
const PROGRAMS = `stat timeout comm split tac shuf stdbuf
ip conntrack nsenter find socat ethtool ipset pigz losetup blkid runc`

/** Those that k3s keeps at the end of PATH, and what they are in Debian's packages. */
const AUXILIARY = {
  mount: 'mount',
  modprobe: 'kmod',
  'xtables-nft-multi': 'xtables-nft-multi',
  'xtables-legacy-multi': 'xtables-legacy-multi',
}

const PACKAGE_FOLDERS = ['bin', 'sbin', 'usr/bin', 'usr/sbin']

/**
 * Leaves a node the programs that k3s' image has, and no other: what a script of ours finds here, it finds there. Where Debian's
 * BusyBox lacks one, it is absent.
 */
export async function keepUserland(kit: Kit, root: string): Promise<void> {
  const applets = (await kit.run('chroot', [root, '/bin/busybox', '--list'])).trim().split('\n')
  const packages = join(root, 'packages')
  for (const folder of PACKAGE_FOLDERS) {
    await mkdir(join(packages, folder, '..'), { recursive: true })
    await rename(join(root, folder), join(packages, folder))
    await mkdir(join(root, folder))
  }
  const bin = join(root, 'bin')
  const aux = join(bin, 'aux')
  await mkdir(aux)
  await take(packages, 'busybox', join(bin, 'busybox'))
  for (const name of words(APPLETS)) if (applets.includes(name)) await symlink('busybox', join(bin, name))
  for (const name of words(PROGRAMS)) await take(packages, name, join(bin, name))
  for (const [name, program] of Object.entries(AUXILIARY)) await take(packages, program, join(aux, name))
  for (const backend of ['nft', 'legacy'])
    for (const family of ['iptables', 'ip6tables'])
      for (const suffix of ['', '-save', '-restore']) await symlink(`xtables-${backend}-multi`, join(aux, `${family}-${backend}${suffix}`))
  await rm(packages, { recursive: true })
}

function words(text: string): readonly string[] {
  return text.split(/\s+/)
}

async function take(packages: string, name: string, target: string): Promise<void> {
  for (const folder of PACKAGE_FOLDERS) {
    if (!(await readdir(join(packages, folder))).includes(name)) continue
    const source = join(packages, folder, name)
    // Some are links to others, which may be taken themselves.
    if ((await lstat(source)).isSymbolicLink()) continue
    return cp(source, target, { preserveTimestamps: true })
  }
  throw new Error(`No package of the node image has "${name}".`)
}
