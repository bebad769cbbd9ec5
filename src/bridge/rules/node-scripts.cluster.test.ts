import { expect, onTestFinished, test } from 'vitest'

import type { ShellScript } from '../../support/shell-script.ts'
import { type NodeContainer, startNodeContainer } from '../../testing/node-container.ts'
import { type NodeScriptOptions, applyScript, familiesOf, findIptables, forgetScript, removeScript, restoreScript } from './node-scripts.ts'

// Network namespaces that look like those of pods, without Kubernetes: what the scripts print and change is seen as it is.
const namespace = 'cni-1'
const pod = '10.99.0.2'
const local = '10.99.0.1'

/** Forwarding is what a node has on; a pod's answers go back by it. */
const makePod = `
set -e
mkdir -p /var/lib/cni/results
echo '{"cniArgs":[["K8S_POD_NAMESPACE","default"],["K8S_POD_NAME","orders-1"],["K8S_POD_UID","uid-1"]],"netns":"/var/run/netns/${namespace}","result":{"ips":[{"address":"${pod}/24"}]}}' > /var/lib/cni/results/cbr0-abc-eth0
ip netns add ${namespace}
ip link add veth0 type veth peer name eth0 netns ${namespace}
ip address add ${local}/24 dev veth0
ip link set veth0 up
nsenter --net=/var/run/netns/${namespace} sh -c 'ip address add ${pod}/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via ${local}'
nsenter --net=/var/run/netns/${namespace} socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:'echo pod' >/dev/null 2>&1 &
socat TCP-LISTEN:9000,fork,reuseaddr SYSTEM:'echo local' >/dev/null 2>&1 &
until socat - TCP:${pod}:8080 && socat - TCP:${local}:9000; do sleep 0.1; done >/dev/null 2>&1 </dev/null`

const options: NodeScriptOptions = {
  id: 'test',
  forwards: [{ protocol: 'tcp', port: 8080, address: local, targetPort: 9000 }],
  keepProbes: false,
  podCidrs: ['10.99.0.0/24'],
  match: { namespace: 'default', selector: { app: 'orders' } },
}

async function startNode(): Promise<NodeContainer> {
  const node = await startNodeContainer()
  onTestFinished(() => node[Symbol.asyncDispose]())
  await node.run(makePod)
  return node
}

const ask = (node: NodeContainer) => node.run(`socat - TCP:${pod}:8080 </dev/null`)

/** Everything that a bridge could leave. */
const look = (node: NodeContainer) =>
  node.run(`{ iptables-save; nsenter --net=/var/run/netns/${namespace} sh -c 'iptables-save; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/route_localnet'; } | grep -e ^-A -e ^[01]
    ls -A /run/vitest-kubernetes 2>/dev/null; :`)

test('rules come into a pod, send new connections to the local side, and leave nothing behind', async () => {
  const node = await startNode()
  const before = await look(node)
  expect(await ask(node)).toBe('pod\n')
  expect(await node.run(applyScript(options, ['uid-1', 'uid-2']))).toBe('pod uid-1 orders-1\n')
  expect(await ask(node)).toBe('local\n')
  expect(await look(node)).toContain('VK-test-IN')
  // A second time changes nothing.
  expect(await node.run(applyScript(options, ['uid-1']))).toBe('pod uid-1 orders-1\n')
  expect(await ask(node)).toBe('local\n')
  await node.run(removeScript(options))
  expect(await ask(node)).toBe('pod\n')
  await node.run(forgetScript(options, familiesOf(options)))
  expect(await look(node)).toBe(before)
})

test('bridges of one pod that come and go at the same moment share its switches', { timeout: 120_000 }, async () => {
  const node = await startNode()
  await using shell = await node.openShell()
  const before = await look(node)
  const all = Array.from('abcd', (id, index) => ({ ...options, id, forwards: [{ ...options.forwards[0]!, port: 8080 + index }] }))
  const run = (script: ShellScript) => shell.run(script, { timeout: 30_000 })
  const come = (each: NodeScriptOptions) => run(applyScript(each, ['uid-1']))
  const go = async (each: NodeScriptOptions) => {
    await run(removeScript(each))
    await run(forgetScript(each, familiesOf(each)))
  }
  for (let round = 0; round < 10; round++) {
    await Promise.all(all.map(come))
    await Promise.all(all.map(go))
  }
  expect(await look(node)).toBe(before)
})

test('rules of which a part is gone are removed all the same', async () => {
  const node = await startNode()
  const before = await look(node)
  await node.run(applyScript(options, ['uid-1']))
  await node.run(`nsenter --net=/var/run/netns/${namespace} iptables -t nat -D OUTPUT -j VK-test-IN`)
  await node.run(removeScript(options))
  expect(await ask(node)).toBe('pod\n')
  await node.run(forgetScript(options, familiesOf(options)))
  expect(await look(node)).toBe(before)
})

test('a pod that has gone keeps no bridge from ending', async () => {
  const node = await startNode()
  await node.run(applyScript(options, ['uid-1']))
  await node.run(`ip netns delete ${namespace}`)
  await node.run(removeScript(options))
  await node.run(forgetScript(options, familiesOf(options)))
  expect(await node.run('ls -A /run/vitest-kubernetes; iptables-save | grep VK- || :')).toBe('')
})

test('rules of the node itself, by the program that is found for its backend', async () => {
  const node = await startNode()
  const found = await node.run({ name: 'test', text: `${findIptables.text}\necho "$iptables_restore $ip6tables_save"` })
  expect(found).toMatch(/^iptables-(nft|legacy)-restore ip6tables-(nft|legacy)-save\n$/)
  await node.run(restoreScript('*mangle\n:VK-x - [0:0]\n-A VK-x -d 10.0.0.1/32 -j DROP\nCOMMIT\n'))
  expect(await node.run('iptables-save -t mangle | grep VK-x')).toContain('-A VK-x -d 10.0.0.1/32 -j DROP\n')
  await expect(node.run(restoreScript('*mangle\n-D POSTROUTING -j VK-absent\nCOMMIT\n'))).rejects.toThrow(
    /^Script "change-node-rules\.sh" in container ".*" ended with exit code \d+: ip/,
  )
})
