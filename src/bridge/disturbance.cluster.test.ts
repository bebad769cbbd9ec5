import { setTimeout as sleep } from 'node:timers/promises'

import { expect } from 'vitest'

import type { TestCluster } from '../client/test-cluster.ts'
import { connectDocker } from '../docker/docker.ts'
import { pauseContainer } from '../docker/pause.ts'
import { KubeStatusError } from '../kube/client.ts'
import { describe } from '../suite/describe.ts'
import { messageOf } from '../support/errors.ts'
import { runCommand } from '../support/run-command.ts'
import { callInCluster, client, fetchInCluster } from '../testing/in-cluster.ts'
import { nodeApp } from '../testing/node-app.ts'
import { isReady, kubeOf, kubectl, nodeContainer, nodeName, podsOf, runOnNode } from '../testing/nodes.ts'
import type { LocalServer } from './options.ts'

const answer =
  (text: string): LocalServer =>
  (_, response) =>
    void response.end(text)

/** Stays for a moment when it has to go, as every Deployment has to whose rollouts are to lose nothing. */
const lasting = {
  replicas: 2,
  container: { lifecycle: { preStop: { sleep: { seconds: 4 } } }, readinessProbe: { httpGet: { port: 3000 }, periodSeconds: 1 } },
  pod: { terminationGracePeriodSeconds: 10 },
}
const budget = (minAvailable: string | number) => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: 'guarded' },
  spec: { minAvailable, selector: { matchLabels: { app: 'guarded' } } },
})
const autoscaler = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'scaled' },
  spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'scaled' }, minReplicas: 3, maxReplicas: 4 },
}
/** Its Service finds the port by name. */
const changing = (color: string, container: object, port = 3000) =>
  nodeApp('changing', {
    ...lasting,
    ports: [{ name: 'http', containerPort: port }],
    container: {
      ...lasting.container,
      readinessProbe: { httpGet: { port }, periodSeconds: 1 },
      env: [{ name: 'COLOR', value: color }],
      ...container,
    },
    service: { ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  })
const busybox = (port: number) => ({
  image: 'busybox:1.37',
  command: ['sh', '-c', `mkdir /www && echo busybox > /www/index.html && exec httpd -f -p ${port} -h /www`],
})

const suite = {
  images: ['node:24-slim', 'busybox:1.37'],
  agents: 1,
  manifests: [client, ...nodeApp('guarded', lasting), budget('100%'), ...nodeApp('scaled'), ...changing('red', {}), ...nodeApp('plain')],
} as const

describe.withCluster('disturbance', suite, (test) => {
  test('an eviction is refused by the budget as without a bridge; one that is allowed loses no request', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/guarded', { server: answer('local') })
    const [pod] = await podsOf(cluster, 'guarded')
    await expect(evict(cluster, pod!.metadata!.name!)).rejects.toMatchObject({ statusCode: 429 })
    await using traffic = startTraffic(cluster.url('guarded'))
    await cluster.apply(budget(1))
    await expect.poll(() => evict(cluster, pod!.metadata!.name!).then(() => 'evicted', tooEarly), { timeout: 20_000 }).toBe('evicted')
    await kubectl(cluster, 'rollout status deploy/guarded --timeout=60s')
    await expect.poll(() => bridge.pods(), { timeout: 10_000 }).toHaveLength(2)
    expect(await bridge.pods()).not.toContain(pod!.metadata!.uid)
    expect(await traffic.stop()).toEqual(['local'])
  })

  test('pods that a HorizontalPodAutoscaler adds are bridged', async ({ cluster }) => {
    await using bridge = await cluster.bridge('deployment/scaled', { server: answer('local') })
    await using traffic = startTraffic(cluster.url('scaled'))
    await cluster.apply(autoscaler)
    await expect.poll(() => bridge.pods(), { timeout: 60_000, interval: 250 }).toHaveLength(3)
    await kubectl(cluster, 'rollout status deploy/scaled --timeout=60s')
    expect(await traffic.stop()).toEqual(['local'])
  })

  test('a rollout to another image and other variables stays bridged, with the variables of the start; the next bridge has the new ones', async ({
    cluster,
  }) => {
    const script = `require('node:http').createServer((q, r) => r.end('local ' + process.env.COLOR)).listen(3000)`
    const side = { image: 'node:24-slim', entrypoint: ['node', '-e', script] }
    {
      await using bridge = await cluster.bridge('deployment/changing', side)
      await using traffic = startTraffic(cluster.url('changing'))
      await cluster.apply(changing('blue', busybox(3000)))
      expect(await traffic.stop()).toEqual(['local red'])
      expect(await bridge.problems()).toEqual([])
    }
    expect(await fetchInCluster(cluster, 'http://changing/')).toEqual(['busybox\n'])
    await using _bridge = await cluster.bridge('deployment/changing', side)
    expect(await fetchInCluster(cluster, 'http://changing/')).toEqual(['local blue'])
  })

  test('a rollout that changes the number of a named port: the new pods answer on it themselves, and the bridge says so', async ({
    cluster,
  }) => {
    await using bridge = await cluster.bridge('deployment/changing', { server: answer('local') })
    expect(await fetchInCluster(cluster, 'http://changing/')).toEqual(['local'])
    await cluster.apply(changing('blue', busybox(3001), 3001))
    await expect.poll(() => fetchInCluster(cluster, 'http://changing/').catch(String), { timeout: 20_000 }).toEqual(['busybox\n'])
    expect(await bridge.problems()).toEqual([expect.stringContaining('Port "http" of "deployment/changing" is 3001 in new pods.')])
    await bridge[Symbol.asyncDispose]()
    await using _next = await cluster.bridge('deployment/changing', { server: answer('local again') })
    expect(await fetchInCluster(cluster, 'http://changing/')).toEqual(['local again'])
  })

  test('a connection that a caller keeps open ends with its pod, and its next request does not wait; the address is free for the next pod', async ({
    cluster,
  }) => {
    const onLoopback = () => runOnNode(cluster, 'server-0', ['ip', '-o', 'address', 'show', 'dev', 'lo'])
    const before = await onLoopback()
    const pod = { ...lasting.pod, nodeSelector: { 'kubernetes.io/hostname': await nodeName(cluster, 'server-0') } }
    await cluster.apply(nodeApp('kept', { ...lasting, replicas: 1, pod }))
    const addressOf = async () => (await podsOf(cluster, 'kept'))[0]!.status!.podIP!
    const first = await addressOf()
    const bridge = await cluster.bridge('deployment/kept', { server: answer('local') })
    // Each asks once, waits until its pod has gone, and asks again: Node.js' own client would open another connection at once.
    const script = `const socket = require('node:net').connect(+process.argv[2], process.argv[1])
      const ask = () => socket.write('GET / HTTP/1.1\\r\\nhost: kept\\r\\n\\r\\n')
      socket.once('data', () => { console.log('answered'); setTimeout(ask, 12_000) })
      socket.on('error', (error) => console.log(error.code)).on('close', () => console.log('closed'))
      setTimeout(() => process.exit(), 22_000)
      ask()`
    const { host, port } = cluster.address('kept')
    const inside = cluster.exec('deployment/client', ['node', '-e', script, 'kept', '80']).then(({ stdout }) => stdout)
    const outside = runCommand(process.execPath, ['-e', script, host, String(port)])
    await sleep(1_000)
    await kubectl(cluster, 'rollout restart deploy/kept')
    await kubectl(cluster, 'rollout status deploy/kept --timeout=60s')
    await expect.poll(onLoopback).toContain(`${first}/32`)
    for (const printed of [await inside, await outside]) expect(printed).toMatch(/^answered\n(ECONNRESET\n)?closed\n$/)

    const folder = '/var/lib/cni/networks/cbr0'
    const last = first.replace(/\d+$/, (number) => String(Number(number) - 1))
    await runOnNode(cluster, 'server-0', ['sh', '-c', `printf %s ${last} > ${folder}/last_reserved_ip.0`])
    await kubectl(cluster, 'rollout restart deploy/kept')
    await kubectl(cluster, 'rollout status deploy/kept --timeout=60s')
    expect(await addressOf()).toBe(first)
    expect(await fetchInCluster(cluster, 'http://kept/', 3)).toEqual(['local', 'local', 'local'])
    expect(await onLoopback()).not.toContain(`${first}/32`)
    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://kept/')).toEqual([expect.stringMatching(/^pod kept/)])
    expect(await onLoopback()).toBe(before)
  })

  test('a pod that goes while the watch of its bridge still starts is known to have gone, and callers are refused at once', async ({
    cluster,
  }) => {
    const pod = { terminationGracePeriodSeconds: 1, nodeSelector: { 'kubernetes.io/hostname': await nodeName(cluster, 'server-0') } }
    await cluster.apply(nodeApp('early', { pod }))
    const address = (await podsOf(cluster, 'early'))[0]!.status!.podIP!
    // As on a machine that has much to do: containerd's events come late.
    await using _late = await delayEvents(cluster, 4)
    await using _bridge = await cluster.bridge('deployment/early', { server: answer('local') })
    await kubectl(cluster, 'delete pod -l app=early --grace-period=1')
    await expect
      .poll(() => runOnNode(cluster, 'server-0', ['ip', '-o', 'address', 'show', 'dev', 'lo']), { timeout: 15_000 })
      .toContain(`${address}/32`)
  })

  test('a bridge ends well where a node has a single pod, which is not of the workload', async ({ cluster }) => {
    const agent = await nodeName(cluster, 'agent-0')
    const fromPlain = [expect.stringMatching(/^pod plain/)]
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(async () => void (await kubectl(cluster, `uncordon ${agent}`)))
    await kubectl(cluster, `cordon ${agent}`)
    await kubectl(cluster, `delete pod -A --now --field-selector=spec.nodeName=${agent}`)
    await kubectl(cluster, 'wait -A --for=condition=Available deploy --all --timeout=60s')
    const { image } = (await podsOf(cluster, 'plain'))[0]!.spec!.containers[0]!
    const overrides = JSON.stringify({ spec: { nodeName: agent } })
    cleanup.defer(async () => void (await kubectl(cluster, 'delete pod/single --now')))
    await kubectl(cluster, `run single --image=${image} --overrides=${overrides} --command -- sleep 600`)
    await kubectl(cluster, 'wait --for=condition=Ready pod/single --timeout=60s')
    const namespaces = 'ls /var/run/netns | wc -l'
    await expect.poll(() => runOnNode(cluster, 'agent-0', ['sh', '-c', namespaces])).toBe('1\n')
    // Names of the cluster may have moved too.
    await expect.poll(() => fetchInCluster(cluster, 'http://plain/').catch(String), { timeout: 60_000 }).toEqual(fromPlain)

    await using bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
    expect(await fetchInCluster(cluster, 'http://plain/')).toEqual(['local'])
    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://plain/')).toEqual(fromPlain)
  })

  test('a process that ends while it is bridged is reported with its exit code and what it printed', async ({ cluster }) => {
    const script = `require('node:http').createServer((q, r) => { r.end('local'); if (q.url === '/end') setTimeout(() => { console.error('out of paper'); process.exit(7) }, 50) }).listen(24021)`
    await using bridge = await cluster.bridge('deployment/plain', { command: ['node', '-e', script], ports: { http: 24_021 } })
    expect(await bridge.problems()).toEqual([])
    expect(await fetchInCluster(cluster, 'http://plain/end')).toEqual(['local'])
    await expect
      .poll(() => bridge.problems(), { timeout: 20_000 })
      .toEqual([expect.stringMatching(/ended with exit code 7 while it was bridged\.\nout of paper/)])
  })

  test('the API server cut off for 4 s by dropped packets and for 4 s by resets: traffic stays here, and pods that come are bridged', async ({
    cluster,
  }) => {
    await using bridge = await cluster.bridge('deployment/guarded', { server: answer('local') })
    await using traffic = startTraffic(cluster.url('guarded'))
    for (const rule of [dropped, reset]) {
      await using cut = await cutApi(cluster, rule)
      // On the server itself: over loopback its API goes on.
      await kubectl(cluster, 'scale --replicas=3 deploy/guarded')
      await sleep(4_000)
      await cut[Symbol.asyncDispose]()
      await kubectl(cluster, 'rollout status deploy/guarded --timeout=60s')
      await expect.poll(() => bridge.pods(), { timeout: 30_000 }).toHaveLength(3)
      await kubectl(cluster, 'scale --replicas=2 deploy/guarded')
      await expect.poll(() => bridge.pods(), { timeout: 30_000 }).toHaveLength(2)
    }
    expect(await traffic.stop()).toEqual(['local'])
    expect(await bridge.problems()).toEqual([])
  })

  test('a node that is restarted: the bridge says so, its pods are bridged again before they answer, and nothing is left', async ({
    cluster,
  }) => {
    const pod = { nodeSelector: { 'kubernetes.io/hostname': await nodeName(cluster, 'agent-0') } }
    await cluster.apply(nodeApp('far', { pod }))
    const [before] = await podsOf(cluster, 'far')
    const bridge = await cluster.bridge('deployment/far', { server: answer('local') })
    const cut = await cluster.cut('deployment/plain', 'deployment/far')
    const { engine } = await connectDocker()
    await using traffic = startTraffic(cluster.url('far'))
    await engine.getContainer(nodeContainer(cluster, 'agent-0')).restart({ t: 1 })
    // In the moment that k3s runs: packets for Services must not leave the machine while kube-proxy has no rules. Its name alone does
    // not tell: iptables, which is called before, is the same program.
    const first = `until cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q 'k3s [a]gent'; do sleep 0.01; done
      iptables-save -t mangle; cat /proc/sys/net/ipv4/conf/eth0/send_redirects`
    expect(await runOnNode(cluster, 'agent-0', ['sh', '-c', first])).toMatch(/^-A POSTROUTING -d 10\.43\.0\.0\/16 -j DROP$[^]*^0$/m)
    await expect
      .poll(async () => (await podsOf(cluster, 'far')).filter((each) => isReady(each) && restartsIn(each) > 0), { timeout: 90_000 })
      .toHaveLength(1)
    await expect.poll(() => fetchInCluster(cluster, 'http://far/').catch(String), { timeout: 60_000 }).toEqual(['local'])
    expect(await traffic.stop({ failuresAllowed: true })).toEqual(['local'])
    await expect.poll(() => bridge.pods(), { timeout: 10_000 }).toEqual([before!.metadata!.uid])
    expect(await bridge.problems()).toEqual([
      expect.stringContaining('What the code on this machine sends to "deployment/plain" is not cut off'),
      expect.stringMatching(/^Node ".*agent-0" has stopped\./),
    ])
    expect(await callInCluster(cluster, 'deployment/plain', ['http://far/'], 2_000)).toEqual(['silent'])
    await cut[Symbol.asyncDispose]()
    expect(await callInCluster(cluster, 'deployment/plain', ['http://far/'])).toEqual(['answered'])

    await bridge[Symbol.asyncDispose]()
    expect(await fetchInCluster(cluster, 'http://far/')).toEqual([expect.stringMatching(/^pod far/)])
    const left = `for ns in /var/run/netns/*; do nsenter --net=$ns iptables-save; done | grep VK-; iptables-save | grep VK-; ls -A /run/vitest-kubernetes; :`
    expect(await runOnNode(cluster, 'agent-0', ['sh', '-c', left])).toBe('')
  })

  test('a node that has stopped for good does not keep a bridge from ending', async ({ cluster }) => {
    const bridge = await cluster.bridge('deployment/plain', { server: answer('local') })
    const cut = await cluster.cut('deployment/plain', 'deployment/client')
    const { engine } = await connectDocker()
    await engine.getContainer(nodeContainer(cluster, 'agent-0')).stop({ t: 1 })
    await bridge[Symbol.asyncDispose]()
    await cut[Symbol.asyncDispose]()
    await engine.getContainer(nodeContainer(cluster, 'agent-0')).start()
  })

  test('a node that is paused does not keep bridges from ending', async ({ cluster }) => {
    const direct = await cluster.bridge('deployment/plain', { server: answer('local') })
    const shared = await cluster.bridge('deployment/guarded', { server: answer('local'), match: { path: '/local' } })
    const cut = await cluster.cut('deployment/plain', 'deployment/client')
    const docker = await connectDocker()
    const agent = nodeContainer(cluster, 'agent-0')
    await pauseContainer(docker, agent)
    await using _resumed = { [Symbol.asyncDispose]: async () => void (await docker.engine.getContainer(agent).unpause()) }
    const started = performance.now()
    await direct[Symbol.asyncDispose]()
    await shared[Symbol.asyncDispose]()
    await cut[Symbol.asyncDispose]()
    expect(performance.now() - started).toBeLessThan(8_000)
  })
})

/** GET on a connection of its own again and again, until it is stopped. */
function startTraffic(url: string) {
  const answers = new Set<string>()
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      const ask = fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) })
      answers.add(await ask.then((response) => response.text()).catch((error: Error) => `failed: ${messageOf(error.cause ?? error)}`))
      await sleep(5)
    }
  })()
  const stop = async ({ failuresAllowed = false } = {}) => {
    isOver = true
    await asking
    return [...answers].filter((text) => !failuresAllowed || !text.startsWith('failed'))
  }
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) }
}

async function evict(cluster: TestCluster, pod: string): Promise<void> {
  const kube = await kubeOf(cluster)
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace: 'default' } }
  await kube.request('POST', `/api/v1/namespaces/default/pods/${pod}/eviction`, { body })
}

/**
 * Rules for the API server's port. Not in the table that filters: k3s' controller of NetworkPolicies writes that one as it has
 * found it a moment ago, and would bring the rule back that has been removed meanwhile.
 */
const dropped = '-t mangle %s INPUT ! -i lo -p tcp --dport 6443 -j DROP'
/** Nobody listens there. */
const reset = '-t nat %s PREROUTING ! -i lo -p tcp --dport 6443 -j REDIRECT --to-ports 1'

/** Cuts the API server off from all but the server node's loopback, also in connections that are open, until it is disposed. */
async function cutApi(cluster: TestCluster, rule: string): Promise<AsyncDisposable> {
  const run = (verb: string) => {
    // What is known of a connection says where its packets go.
    const script = `iptables -w 5 ${rule.replace('%s', verb)} && { conntrack -D -p tcp --orig-port-dst 6443 >/dev/null 2>&1 || :; }`
    return runOnNode(cluster, 'server-0', ['sh', '-c', script])
  }
  await run('-I')
  let isCut = true
  return {
    async [Symbol.asyncDispose]() {
      if (isCut) await run('-D')
      isCut = false
    },
  }
}

/** Until it is disposed, whoever asks containerd for its events on the server is answered so many seconds later. */
async function delayEvents(cluster: TestCluster, seconds: number): Promise<AsyncDisposable> {
  const run = (script: string) => runOnNode(cluster, 'server-0', ['sh', '-ec', script])
  const ctr = (await run('command -v ctr')).trim()
  // It may be a link to a program that does what it is called.
  const kept = '/run/kept/ctr'
  const late = `#!/bin/sh\ncase "$*" in *events) sleep ${seconds} ;; esac\nexec ${kept} "$@"\n`
  await run(
    `mkdir /run/kept; ln -s "$(readlink -f ${ctr})" ${kept}; mv ${ctr} /run/kept/link; printf '%s' '${late}' > ${ctr}; chmod 755 ${ctr}`,
  )
  return { [Symbol.asyncDispose]: async () => void (await run(`mv -f /run/kept/link ${ctr}; rm -r /run/kept`)) }
}

/** The budget's controller takes a moment to count. */
function tooEarly(error: unknown): string {
  if (error instanceof KubeStatusError && error.statusCode === 429) return 'too early'
  throw error
}

function restartsIn(pod: { status?: { containerStatuses?: { restartCount: number }[] } }): number {
  return pod.status?.containerStatuses?.[0]?.restartCount ?? 0
}
