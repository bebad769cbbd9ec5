import { expect, test } from 'vitest'

import { startNodeContainer } from '../testing/node-container.ts'

/** What k3s' image has (k3s-root's package/busybox/busybox.config and scripts/package, k3s' package/Dockerfile), by where it is from. */
const programs = {
  busybox: `ash awk ar arp arping basename bc bunzip2 bzcat cat chattr chgrp chmod chown chroot chrt cksum clear cmp cp cpio cut date dc
    dd devmem df diff dirname dmesg dos2unix du echo egrep env expr factor fallocate false fgrep find flock fold free fsfreeze fstrim
    fuser getopt grep gunzip gzip head hexdump hostid hostname id ifconfig install ipcrm ipcs kill killall last less link ln logger
    logname losetup ls lsattr lsof lzcat md5sum mkdir mkfifo mknod mktemp more mountpoint mv netstat nice nl nohup nproc nslookup od
    openvt paste patch pidof ping pivot_root printenv printf ps pwd readlink realpath renice reset resize rm rmdir route run-parts sed
    seq setpriv setsid sha1sum sha256sum sha512sum shred sleep sort strings stty su swapoff swapon switch_root sync sysctl tail tar tc
    tee telnet test time top touch tr traceroute true truncate ts tty umount uname uniq unlink unxz unzip uptime usleep vi watch wc
    wget which who whoami xargs xxd xz xzcat yes zcat sh busybox`,
  coreutils: 'stat timeout comm split tac shuf stdbuf',
  own: 'ip conntrack nsenter find socat ethtool ipset pigz losetup blkid',
  k3s: 'k3s kubectl crictl ctr containerd containerd-shim-runc-v2 runc',
}
const auxiliary = `mount modprobe xtables-nft-multi xtables-legacy-multi
  ${['iptables', 'ip6tables'].flatMap((family) => ['', '-nft', '-legacy'].flatMap((backend) => ['', '-save', '-restore'].map((suffix) => family + backend + suffix))).join(' ')}`

/** What Debian's BusyBox is built without. */
const absent = 'chattr chrt cksum flock fuser install ipcrm ipcs lsattr lsof mountpoint nice nohup printenv resize su tc'

const words = (...texts: string[]) => texts.flatMap((text) => text.trim().split(/\s+/))
const sorted = (names: Iterable<string>) => [...new Set(names)].toSorted()

test.runIf(process.env['VITEST_KUBERNETES_NODE_IMAGE'])(
  "the offline node image has the programs of k3s' image, and no others",
  async () => {
    await using node = await startNodeContainer()
    const list = async (folder: string) => words(await node.run(`ls ${folder}`))
    expect((await node.run('echo $PATH')).trim().split(':').slice(-2)).toEqual(['/bin', '/bin/aux'])
    const expected = words(...Object.values(programs)).filter((name) => !words(absent).includes(name))
    expect(sorted(await list('/bin'))).toEqual(sorted([...expected, 'aux']))
    expect(sorted(await list('/bin/aux'))).toEqual(sorted(words(auxiliary)))
    // Docker brings its own first process.
    expect(
      await node.run('ls /sbin /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin 2>/dev/null | grep -v -e : -e "^$" -e docker-init || :'),
    ).toBe('')
    // What of BusyBox has no link cannot be run by name either.
    expect(await node.run('readlink -f /bin/sh; nc 2>&1 || :; unshare 2>&1 || :; stat --version | head -n 1')).toBe(
      '/bin/busybox\nsh: nc: not found\nsh: unshare: not found\nstat (GNU coreutils) 9.1\n',
    )
  },
)
