import { chmod, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { expect, onTestFinished } from 'vitest'
import { type TestCluster, describe } from 'vitest-kubernetes'

import { runCli } from '../../cli/run-cli.ts'
import { findFreePort } from '../../cluster/network/free-port.ts'
import { connectDocker } from '../../docker/docker.ts'
import { execInContainer } from '../../docker/exec.ts'
import { type KubeClient, createKubeClient } from '../../kube/client.ts'
import type { KubeList, Pod } from '../../kube/types.ts'
import { nodeApp } from '../../testing/node-app.ts'
import { startRegistryInCluster } from '../../testing/registry-in-cluster.ts'
import { runVitest } from '../../testing/run-vitest.ts'
import { type Team, startTeam } from '../../testing/team.ts'
import { createTempProject } from '../../testing/temp-project.ts'

const root = new URL('../../../', import.meta.url).pathname

let kube: KubeClient
/** In namespaces that take no privilege. */
let strict: Team
/** In one that takes what databases' images do. */
let usual: Team

/** What there is in the whole cluster, by kind, namespace and name, but what changes by itself. */
async function listObjects(): Promise<readonly string[]> {
  const kinds = await kube.request<{ groups: readonly { preferredVersion: { groupVersion: string } }[] }>('GET', '/apis')
  const roots = ['/api/v1', ...kinds.groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)]
  const found = await Promise.all(
    roots.map(async (path) => {
      const { resources } = await kube.request<{ resources: readonly { name: string; verbs: readonly string[] }[] }>('GET', path)
      const listed = resources.filter(
        ({ name, verbs }) => verbs.includes('list') && !['events', 'leases', 'componentstatuses'].includes(name),
      )
      return Promise.all(
        listed.map(async ({ name }) => {
          const { items } = await kube.request<{ items: readonly { metadata: { name: string; namespace?: string; uid?: string } }[] }>(
            'GET',
            `${path}/${name}`,
          )
          return items.map(({ metadata }) => `${name} ${metadata.namespace ?? ''}/${metadata.name} ${metadata.uid ?? ''}`)
        }),
      )
    }),
  )
  const all = found.flat(2)
  // The volumes of claims that are gone take their time.
  return all.filter((each) => !/^metrics|^persistentvolumes |helper-pod/.test(each)).toSorted()
}

/** Of ours, on the nodes. */
async function readRules(cluster: TestCluster): Promise<string> {
  const docker = await connectDocker()
  return (
    await execInContainer(docker, `k3d-${cluster.name}-server-0`, ['sh', '-c', 'iptables-save | grep VK- || true'], { timeout: 30_000 })
  ).trim()
}

const objectsIn = async (namespace: string) => (await listObjects()).filter((each) => each.includes(` ${namespace}/`))

describe.withCluster('existing', { images: ['postgres:17', 'redis:8', 'node:24-slim', 'busybox:1.37'], memory: 1_200_000_000 }, (test) => {
  test.beforeAll(async ({ cluster }) => {
    kube = createKubeClient(await readFile(cluster.kubeconfigPath, 'utf8'))
    strict = await startTeam(cluster, kube, 'it-{1..2}', '--pod-security', 'restricted')
    usual = await startTeam(cluster, kube, 'db-1', '--pod-security', 'baseline')
  })
  test.afterAll(async () => {
    await strict?.[Symbol.asyncDispose]()
    await usual?.[Symbol.asyncDispose]()
  })

  test(
    'suites run with the rights of edit in one namespace, without Docker and k3d, and leave nothing',
    { timeout: 300_000 },
    async ({ cluster }) => {
      const before = await listObjects()
      const bridged = await runVitest('leased', { env: strict.env(), args: ['-t', 'bridged'] }).ended
      expect(bridged.exitCode, bridged.output).toBe(0)
      expect(bridged.output).toContain('Tests  11 passed')
      expect(bridged.output).toMatch(/✓ bridged cluster +namespace "it-\d" of context "testing"/)
      expect(bridged.output).toMatch(/! bridged cluster +the tunnel to pod "\S+" broke/)
      const seeded = await runVitest('leased', { env: usual.env(), args: ['-t', 'seeded'] }).ended
      expect(seeded.exitCode, seeded.output).toBe(0)
      expect(await listObjects()).toEqual(before)
      expect(await readRules(cluster)).toBe('')
    },
  )

  test('what a killed run leaves goes by itself, and nothing of others', { timeout: 300_000 }, async ({ cluster }) => {
    const before = await objectsIn('it-1')
    const env = strict.env({ namespaces: { pool: 'it-1' } })
    const run = runVitest('long-lease', { env, folder: (await longLease()).folder })
    onTestFinished(() => void run.child.kill('SIGKILL'))
    await run.prints('the test runs')
    // Of somebody else, who came meanwhile.
    await cluster.apply(guests)
    const [pod] = await podsOf('guest')
    expect((await objectsIn('it-1')).length).toBeGreaterThan(before.length + 5)
    run.child.kill('SIGKILL')
    const killed = performance.now()
    const left = async () => (await objectsIn('it-1')).filter((each) => !/guest/.test(each))
    await expect.poll(left, { timeout: 90_000, interval: 1_000 }).toEqual(before)
    expect(await podsOf('guest')).toEqual([pod])
    await kube.request('DELETE', '/apis/apps/v1/namespaces/it-1/deployments/guest')
    await kube.request('DELETE', '/api/v1/namespaces/it-1/configmaps/guest')
    await expect.poll(() => objectsIn('it-1'), { timeout: 30_000 }).toEqual(before)
    console.log(`gone after ${((performance.now() - killed) / 1_000).toFixed(1)} s`)
  })

  test('a suite that has lost its namespace fails, whatever its tests say', { timeout: 300_000 }, async () => {
    const env = { ...strict.env({ namespaces: { pool: 'it-2' } }), SECONDS: '20' }
    const run = runVitest('long-lease', { env, folder: (await longLease()).folder })
    onTestFinished(() => void run.child.kill('SIGKILL'))
    await run.prints('the test runs')
    await kube.request('DELETE', '/apis/coordination.k8s.io/v1/namespaces/it-2/leases/vitest-kubernetes')
    const { exitCode, output } = await run.ended
    expect(exitCode, output).toBe(1)
    expect(output).toMatch(/^ClusterTestError: Namespace "it-2" is not this suite's any more/m)
  })

  test('a suite waits for the last namespace, says who has it, and finds it empty', { timeout: 300_000 }, async () => {
    const env = strict.env({ namespaces: { pool: 'it-1' } })
    const { folder } = await longLease()
    const first = runVitest('long-lease', { env, folder })
    onTestFinished(() => void first.child.kill('SIGKILL'))
    await first.prints('the test runs')
    const second = runVitest('long-lease', { env: { ...env, QUICK: '1' }, folder })
    onTestFinished(() => void second.child.kill('SIGKILL'))
    await second.prints('waits for a namespace: "it-1" is held by run ')
    first.child.kill('SIGTERM')
    const { exitCode, output } = await second.ended
    expect(exitCode, output).toBe(0)
    expect((await first.ended).exitCode).toBe(143)
  })

  test('credentials come from a plugin, again and again as they expire', { timeout: 300_000 }, async () => {
    const { folder, write } = await longLease()
    const config = JSON.parse(await readFile(strict.kubeconfig, 'utf8')) as { users: [{ user: { token: string } }] }
    const [{ user }] = config.users
    // Beside the kubeconfig, as its path says: each time for three seconds.
    await write(
      'plugin.sh',
      `#!/bin/sh
echo called >> ${folder}/calls
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s","expirationTimestamp":"%s"}}' '${user.token}' "$(date -u -d '+3 seconds' +%Y-%m-%dT%H:%M:%SZ)"
`,
    )
    await chmod(`${folder}/plugin.sh`, 0o755)
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin.sh', interactiveMode: 'Never' }
    await write('kubeconfig', JSON.stringify({ ...config, users: [{ ...config.users[0], user: { exec } }] }))
    const env = { ...strict.env({ kubeconfig: `${folder}/kubeconfig` }), SECONDS: '8' }
    const { exitCode, output } = await runVitest('long-lease', { env, folder }).ended
    expect(exitCode, output).toBe(0)
    expect((await readFile(`${folder}/calls`, 'utf8')).split('\n').length).toBeGreaterThan(4)
  })

  test('namespaces are created and deleted where that is allowed', { timeout: 300_000 }, async ({ cluster }) => {
    const { name } = kube.config.getContextObject(kube.config.getCurrentContext())!
    const before = await listObjects()
    const env = strict.env({ kubeconfig: cluster.kubeconfigPath, context: name, namespaces: { create: 'own-' } })
    const { exitCode, output } = await runVitest('long-lease', { env: { ...env, QUICK: '1' }, folder: (await longLease()).folder }).ended
    expect(exitCode, output).toBe(0)
    expect(output).toMatch(/namespace "own-[0-9a-f]{6}" of context/)
    expect(await listObjects()).toEqual(before)
  })

  test('what is built is pushed, and pulled by its digest', { timeout: 300_000 }, async ({ cluster }) => {
    const port = await findFreePort()
    await using _registry = await startRegistryInCluster(cluster, port)
    const { folder } = await project({
      'image/Dockerfile': 'FROM node:24-slim\nCOPY server.js /server.js\nCMD ["node", "/server.js"]\n',
      'image/server.js': `require('node:http').createServer((_, answer) => answer.end('built')).listen(3000); process.on('SIGTERM', process.exit)`,
      'built.test.ts': `
import { expect } from 'vitest'
import { describe } from 'vitest-kubernetes'
import { nodeApp } from '${root}src/testing/node-app.ts'
const [shop, service] = nodeApp('shop')
const [container] = shop.spec.template.spec.containers
Object.assign(container, { image: 'registry.example.com/shop/image:1.2', command: undefined, imagePullPolicy: 'Always' })
describe.withCluster('built', { images: ['./image'], manifests: [shop, service] }, (test) => {
  test('runs', async ({ cluster, request }) => {
    await request('shop').get('/').expect(200, 'built')
    const { image, imagePullPolicy } = (await cluster.get('deployment/shop')).spec.template.spec.containers[0]
    expect(image).toMatch(/^localhost:${port}\\/team\\/image@sha256:[0-9a-f]{64}$/)
    expect(imagePullPolicy).toBe('IfNotPresent')
  })
})`,
    })
    const env = usual.env({ registry: `localhost:${port}/team` })
    const { DOCKER_HOST: _, ...withDocker } = env
    const { exitCode, output } = await runVitest('', { env: withDocker, folder }).ended
    expect(exitCode, output).toBe(0)
    expect(output).toMatch(/✓ built image +push "localhost:\d+\/team\/image:vk-[0-9a-f]{12}"/)
    const wrong = await runVitest('', { env: { ...withDocker, ...registryOf(env, 'localhost:1/team') }, folder }).ended
    expect(wrong.output).toMatch(/Image "localhost:1\/team\/image:vk-\S+" could not be pushed: .*connection refused/)
    await removePushed(`localhost:${port}/team/`)
    await removePushed('localhost:1/team/')
  })

  test('examples run as they are', { timeout: 300_000 }, async ({ cluster }) => {
    const port = await findFreePort()
    await using _registry = await startRegistryInCluster(cluster, port)
    const { folder } = await project({})
    const run = (example: string, env: Readonly<Record<string, string>>) =>
      runVitest('orders', { env, folder: `${root}examples/${example}`, args: ['--config', `${folder}/vitest.config.ts`] }).ended
    const started = await run('getting-started', usual.env())
    expect(started.exitCode, started.output).toBe(0)
    expect(started.output).toContain('Tests  2 passed (2)')
    // With two images to build, for which alone Docker is needed.
    const { DOCKER_HOST: _, ...withDocker } = usual.env({ registry: `localhost:${port}/shop` })
    const quick = await run('quickstart', withDocker)
    expect(quick.exitCode, quick.output).toBe(0)
    expect(quick.output).toContain('Tests  3 passed (3)')
    await removePushed(`localhost:${port}/shop/`)
  })

  test('what a namespace cannot have is refused before anything is created', { timeout: 300_000 }, async () => {
    const { folder } = await project({
      'refused.test.ts': `
import { describe } from 'vitest-kubernetes'
const object = (kind, metadata) => ({ apiVersion: kind === 'ClusterRole' ? 'rbac.authorization.k8s.io/v1' : 'v1', kind, metadata })
const refused = (name, options) => describe.withCluster(name, options, (test) => void test('never runs', () => {}))
refused('other namespace', { manifests: object('ConfigMap', { name: 'a', namespace: 'shop' }) })
refused('whole cluster', { manifests: object('ClusterRole', { name: 'a' }) })
refused('to build', { images: ['./image'] })
refused('own cluster', { agents: 1 })
refused('there already', { manifests: object('ConfigMap', { name: 'kube-root-ca.crt' }) })
refused('unknown', { manifests: object('Gadget', { name: 'a' }) })`,
      'image/Dockerfile': 'FROM scratch',
    })
    const before = await listObjects()
    const { exitCode, output } = await runVitest('', { env: strict.env(), folder }).ended
    expect(exitCode).toBe(1)
    expect(output).toContain(
      'Manifest object 1 of "manifests": configmap/a is of namespace "shop", and a suite has one namespace of the cluster',
    )
    expect(output).toContain('Manifest object 1 of "manifests": clusterrole/a is of the whole cluster, which others use too.')
    expect(output).toContain('Image "image" is to be built of "./image", and an existing cluster gets images from registries alone.')
    expect(output).toContain('The suite sets "agents", which an existing cluster does not take.')
    expect(output).toContain('configmap/kube-root-ca.crt is in namespace "it-')
    expect(output).toContain('Gadget "a" has a kind that the cluster does not know: v1 Gadget.')
    expect(output.match(/✓ .* cluster +namespace "it-/g)).toHaveLength(1)
    expect(await listObjects()).toEqual(before)
  })

  test.for([
    ['a context that is not there', { context: 'production' }, /Kubeconfig "\S+" has no context "production"\.\s+Hint: It has "testing"\./],
    ['a kubeconfig that is not there', { kubeconfig: '/nowhere/config' }, /Kubeconfig "\/nowhere\/config" cannot be read: ENOENT/],
    [
      'a namespace without rights',
      { namespaces: { pool: 'kube-public' } },
      /Namespace "kube-public" cannot be used: .* cannot get resource "namespaces"/,
    ],
    [
      'a namespace for other things',
      { namespaces: { pool: 'unmarked' } },
      /Namespace "unmarked" cannot be used: it has no label vitest-kubernetes\.pool/,
    ],
  ] as const)('%s is refused', { timeout: 60_000 }, async ([, changes, message], { cluster }) => {
    await cluster.apply(unmarked)
    const { exitCode, output } = await runVitest('long-lease', { env: strict.env(changes), folder: (await longLease()).folder }).ended
    expect(exitCode).toBe(1)
    expect(output.replaceAll(/\s+/g, ' ')).toMatch(new RegExp(message.source.replaceAll('\\s+', ' ')))
  })

  test('doctor says of each namespace whether suites can use it', async ({ cluster }) => {
    await cluster.apply(unmarked)
    const printed: string[] = []
    const context = { print: (line: string) => void printed.push(line), note: () => {}, env: {}, cwd: dirname(strict.kubeconfig) }
    const command = ['doctor', '--kubeconfig', 'kubeconfig', '--context', 'testing', '--json', '--namespaces', 'it-{1..2}', 'unmarked']
    expect(await runCli(command, context)).toBe(1)
    const { checks } = JSON.parse(printed.join('')) as { checks: readonly { name: string; status: string; text: string }[] }
    expect(checks.map(({ name, status }) => `${name} ${status}`)).toEqual(['API server ok', 'it-1 ok', 'it-2 ok', 'unmarked failed'])
    expect(checks[1]!.text).toBe('free')
  })
})

/** In a namespace of the pool, of nobody who tests. */
const guests = [
  ...nodeApp('guest', {
    container: { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } },
    pod: { securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } } },
  }).slice(0, 1),
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'guest' } },
].map((object) => ({ ...object, metadata: { ...object.metadata, namespace: 'it-1' } }))

async function podsOf(app: string): Promise<readonly string[]> {
  const { items } = await kube.request<KubeList<Pod>>('GET', '/api/v1/namespaces/it-1/pods', { query: { labelSelector: `app=${app}` } })
  return items.map(({ metadata }) => metadata!.uid!)
}

const unmarked = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'unmarked' } },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'team', namespace: 'unmarked' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
    subjects: [{ kind: 'ServiceAccount', name: 'team', namespace: 'default' }],
  },
]

/** A project of a user's, in which the cluster is the one of the environment. */
async function project(files: Readonly<Record<string, string>>) {
  const created = await createTempProject(files)
  onTestFinished(() => created[Symbol.asyncDispose]())
  const config = await readFile(`${created.folder}/vitest.config.ts`, 'utf8')
  await created.write(
    'vitest.config.ts',
    config.replace('kubernetes({})', `kubernetes({ report: false, cluster: JSON.parse(process.env.EXISTING_CLUSTER) })`),
  )
  return created
}

/** From Docker, which keeps what it pushes. */
async function removePushed(prefix: string): Promise<void> {
  const { engine } = await connectDocker()
  const tags = (await engine.listImages()).flatMap(({ RepoTags }) => RepoTags ?? [])
  for (const tag of tags) if (tag.startsWith(prefix)) await engine.getImage(tag).remove()
}

function registryOf(env: Readonly<Record<string, string>>, registry: string): Readonly<Record<string, string>> {
  return { EXISTING_CLUSTER: JSON.stringify({ ...(JSON.parse(env['EXISTING_CLUSTER']!) as object), registry }) }
}

/** A suite that runs until it is stopped. */
function longLease() {
  return project({
    'long-lease.test.ts': `
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { describe } from 'vitest-kubernetes'
import { nodeApp } from '${root}src/testing/node-app.ts'
const container = { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }
const pod = { securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } } }
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'login' }, stringData: { password: 'hunter22' } }
const volume = { volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } } }] }
const [stateful, ...service] = nodeApp('shop', { kind: 'StatefulSet', container: { ...container, volumeMounts: [{ name: 'data', mountPath: '/data' }] }, pod })
stateful.spec = { ...stateful.spec, ...volume }
describe.withCluster('long', { manifests: [secret, stateful, ...service] }, (test) => {
  test('runs until it is stopped', { timeout: 300_000 }, async ({ cluster, request, signal }) => {
    await request('shop').get('/').expect(200)
    expect((await cluster.exec('statefulset/shop', ['ls', '/data'])).stdout).toBe('')
    await cluster.exec('statefulset/shop', ['sh', '-c', 'touch /data/used || true'])
    console.log('the test runs')
    if (!process.env.QUICK) await sleep(Number(process.env.SECONDS ?? 290) * 1_000, undefined, { signal })
  })
})`,
  })
}
