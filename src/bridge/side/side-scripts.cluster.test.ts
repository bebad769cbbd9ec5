import { expect, test } from 'vitest'

import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import { startNodeContainer } from '../../testing/node-container.ts'

const folder = import.meta.dirname
type OfContainer = 'container' | 'code_if_ended'
const readEnv = shellScript<OfContainer>(folder, 'read-env.sh')
const readFiles = shellScript<OfContainer | 'paths'>(folder, 'read-files.sh')
const readFollowed = shellScript<OfContainer | 'projected' | 'fixed'>(folder, 'read-followed.sh')
const measureMounts = shellScript<OfContainer | 'paths'>(folder, 'measure-mounts.sh')
const readVersion = shellScript<OfContainer | 'paths'>(folder, 'read-version.sh')
const holdNamespace = shellScript<'routes' | 'resolv_conf'>(folder, 'hold-namespace.sh')

const tasks = '/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io'
const runs = { container: 'runs', code_if_ended: 3 }
const ended = { container: 'ended', code_if_ended: 3 }

test('environment, files and version of a container are read from its first process, and links lead into its own root', async () => {
  await using node = await startNodeContainer()
  // A root of its own, with an absolute link on the way to what is mounted.
  await node.run(`set -e
    root=/tmp/root; mkdir -p $root/bin $root/lib $root/lib64 $root/run/config/..v1 $root/var "$root/data/a b"
    cp /bin/busybox $root/bin/sleep; cp -a /lib/. $root/lib/; cp -a /lib64/. $root/lib64/
    ln -s /run $root/var/run; ln -s ..v1 $root/run/config/..data; ln -s ..data/key $root/run/config/key
    echo value > $root/run/config/..v1/key; echo kept > "$root/data/a b/file"
    mkdir -p ${tasks}/runs ${tasks}/ended
    { exec env -i A=1 "B=two words" chroot $root /bin/sleep 600; } >/dev/null 2>&1 & printf %s $! > ${tasks}/runs/init.pid
    printf 999999 > ${tasks}/ended/init.pid
    until [ "$(readlink /proc/$!/root)" = $root ]; do sleep 0.05; done`)

  expect(await node.run(readEnv(runs))).toBe('A=1\0B=two words\0')
  expect(await node.run(readVersion({ ...runs, paths: '/var/run/config' }))).toBe('runs\n..v1\n')
  const listed = async (script: ShellScript) => {
    const out = await node.run({
      ...script,
      text: `(${script.text}) > /tmp/out.tar; tar -tf /tmp/out.tar; rm -rf /tmp/x; mkdir /tmp/x; tar -xf /tmp/out.tar -C /tmp/x`,
    })
    return out.trim().split('\n')
  }
  const followed = await listed(readFollowed({ ...runs, projected: '/var/run/config', fixed: '' }))
  expect(followed.toSorted()).toEqual(['', '..data', '..v1/', '..v1/key', 'key'].map((path) => `./var/run/config/${path}`))
  expect(await node.run('cd /tmp/x/var/run/config; readlink ..data; readlink key; cat ..v1/key')).toBe(
    '/var/run/config/..v1\n..data/key\nvalue\n',
  )
  expect(await listed(readFiles({ ...runs, paths: '/data/a b\n/absent' }))).toEqual(expect.arrayContaining(['./data/a b/./file']))
  expect(await node.run('cat "/tmp/x/data/a b/file"; ls -A /tmp | grep tmp. || :')).toBe('kept\n')

  expect(await node.run(measureMounts({ ...runs, paths: '/data/a b\n/absent' }))).toBe('5\n0\n')

  await expect(node.run(readEnv(ended))).rejects.toThrow('ended with exit code 3')
  expect(await node.run(readEnv({ ...ended, code_if_ended: 0 }))).toBe('')
})

test('a member has the routes and the names of the cluster', async () => {
  await using node = await startNodeContainer()
  const script = holdNamespace({
    routes: '10.42.0.0/24,10.9.9.1 10.43.0.0/16,10.9.9.1',
    resolv_conf: 'search shop.svc.cluster.local\nnameserver 10.43.0.10\noptions ndots:5\n',
  })
  const text = `ip link add up0 type veth peer name up1; ip link set up1 up; ip address add 10.9.9.2/24 dev up0; ip link set up0 up
    (${script.text}); ip route | grep via.10.9.9; cat /etc/resolv.conf`
  expect(await node.run(text)).toBe(`10.42.0.0/24 via 10.9.9.1 dev up0 
10.43.0.0/16 via 10.9.9.1 dev up0 
search shop.svc.cluster.local
nameserver 10.43.0.10
options ndots:5
`)
})
