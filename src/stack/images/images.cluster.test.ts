import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import { afterAll, beforeAll, expect } from 'vitest'

import { runCli } from '../../cli/run-cli.ts'
import { buildImage } from '../../docker/build-image.ts'
import { type Docker, connectDocker } from '../../docker/docker.ts'
import { inspectImage, pullImage, saveImages } from '../../docker/images.ts'
import type { KubeObject } from '../../kube/object.ts'
import { describe } from '../../suite/describe.ts'
import { runCommand } from '../../support/run-command.ts'
import { echoApp, shellPod } from '../../testing/echo-app.ts'
import { kubectl, nodeContainer, podsOf, runOnNode } from '../../testing/nodes.ts'
import { startRegistry } from '../../testing/registry.ts'
import { parseSubstitutes, substituteImage } from './image-names.ts'
import { type ImagePlan, planImages, prepareImages } from './images.ts'
import { importArchive, importImages } from './import-images.ts'

const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
const substitutes = parseSubstitutes(process.env['VITEST_KUBERNETES_IMAGES'])
const busybox = substituteImage(substitutes, 'busybox:1.37')
const signal = AbortSignal.timeout(300_000)
let docker: Docker

async function write(files: Readonly<Record<string, string>>, to = folder): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(to, path)), { recursive: true })
    await writeFile(join(to, path), content)
  }
}

const build = (context: string, tag: string) =>
  buildImage(docker, {
    context: join(folder, context),
    tag,
    labels: {},
    substitute: (image) => substituteImage(substitutes, image),
    onLine: () => {},
    signal,
  })

const prepare = (plan: ImagePlan) =>
  prepareImages({ docker, plan, manifests: [], substitutes, buildNetwork: undefined, progress: () => {}, signal })

// testcontainers reads the config of docker login once, when it is loaded.
const registry = await startRegistry(spawn('docker', ['save', busybox]).stdout, 'shop/tools', 'ann:s3cret')
await write({
  'docker-config/config.json': JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('ann:s3cret').toString('base64') } } }),
})
process.env['DOCKER_CONFIG'] = join(folder, 'docker-config')

await write({ 'live/index.html': 'one', 'web/index.html': 'first', 'web/Dockerfile': 'FROM busybox:1.37\nCOPY index.html /www/\n' })

beforeAll(async () => {
  docker = await connectDocker()
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** One pod on each node that shows a folder. */
const web = (name: string, image: string, labels = { app: name }) => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name },
  spec: {
    selector: { matchLabels: labels },
    updateStrategy: { rollingUpdate: { maxUnavailable: 2 } },
    template: {
      metadata: { labels },
      spec: {
        terminationGracePeriodSeconds: 0,
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: 'app', image, command: ['httpd', '-f', '-p', '8080', '-h', '/www'] }],
      },
    },
  },
})
const read = ['cat', '/www/index.html']

describe.withCluster(
  'images',
  {
    agents: 1,
    images: ['busybox:1.37'],
    manifests: [web('live', 'busybox:latest')],
    mount: { 'daemonset/live': { [join(folder, 'live')]: { path: '/www', container: 'app', readOnly: true } } },
  },
  (test) => {
    test('a folder of the host is in the pods of both nodes, and what changes in it changes there', async ({ cluster }) => {
      const pods = await podsOf(cluster, 'live')
      expect(new Set(pods.map(({ spec }) => spec!.nodeName))).toHaveLength(2)
      const readAll = () =>
        Promise.all(pods.map(async ({ metadata }) => (await cluster.exec(`pod/${metadata!.name}`, ['sh', '-c', 'cat /www/*'])).stdout))
      expect(await readAll()).toEqual(['one', 'one'])
      await write({ 'live/index.html': 'two', 'live/more.html': '!' })
      expect(await readAll()).toEqual(['two!', 'two!'])
      const written = await cluster.exec(`pod/${pods[0]!.metadata!.name}`, ['touch', '/www/x'], { reject: false })
      expect(written.stderr).toMatch(/Read-only file system/)
    })

    test('an image of this machine is not asked of a registry, also where a manifest says Always', async ({ cluster }) => {
      const [pod] = await podsOf(cluster, 'live')
      expect(pod!.spec!.containers[0]).toMatchObject({ image: busybox, imagePullPolicy: 'IfNotPresent' })
      const [always] = echoApp('always') as [KubeObject & { spec: { template: { spec: { containers: object[] } } } }, unknown]
      Object.assign(always.spec.template.spec.containers[0]!, { imagePullPolicy: 'Always' })
      await cluster.apply([always])
      const [ready] = await podsOf(cluster, 'always')
      expect(ready!.spec!.containers[0]).toMatchObject({ image: busybox, imagePullPolicy: 'IfNotPresent' })
    })

    test('an image that is rebuilt under the same name reaches the pods; as "latest" no registry is asked for it', async ({ cluster }) => {
      await build('web', 'vk-test-demo:latest')
      try {
        await cluster.apply(web('demo', 'vk-test-demo:latest'))
        const [pod] = await podsOf(cluster, 'demo')
        expect(pod!.spec!.containers[0]).toMatchObject({ image: 'vk-test-demo:latest', imagePullPolicy: 'IfNotPresent' })
        expect((await cluster.exec('daemonset/demo', read)).stdout).toBe('first')
        await write({ 'web/index.html': 'second' })
        await build('web', 'vk-test-demo:latest')
        await cluster.apply(web('demo', 'vk-test-demo:latest'))
        const texts = await Promise.all(
          (await podsOf(cluster, 'demo')).map(async ({ metadata }) => (await cluster.exec(`pod/${metadata!.name}`, read)).stdout),
        )
        expect(texts).toEqual(['second', 'second'])
      } finally {
        await runCommand('docker', ['image', 'rm', '--force', 'vk-test-demo:latest', ...(await contentTags('vk-test-demo'))])
      }
    })

    test('skips what the nodes have, and imports it where it is missing', async ({ cluster }) => {
      const nodes = ['server-0', 'agent-0'].map((name) => ({
        name: nodeContainer(cluster, name),
        container: nodeContainer(cluster, name),
        address: '',
        address6: undefined,
      }))
      const image = { reference: busybox, id: (await inspectImage(docker, busybox))!.id }
      expect(await importImages(docker, { nodes }, [image], signal)).toEqual(docker.usesContainerdStore ? [image] : [])
      await docker.engine.getImage(busybox).tag({ repo: 'vk-test-again', tag: '1' })
      const again = { ...image, reference: 'vk-test-again:1' }
      try {
        expect(await importImages(docker, { nodes }, [again, image], signal)).toContainEqual(again)
        await runOnNode(cluster, 'agent-0', ['crictl', 'rmi', 'docker.io/library/vk-test-again:1'])
        expect(await importImages(docker, { nodes }, [again], signal)).toEqual([again])
        expect(await runOnNode(cluster, 'agent-0', ['crictl', 'images'])).toContain('vk-test-again')
      } finally {
        await docker.engine.getImage('vk-test-again:1').remove()
      }
    })

    test('an import that fails names image and node', async ({ cluster }) => {
      const nodes = ['server-0', 'agent-0'].map((name) => nodeContainer(cluster, name))
      const asNodes = { nodes: nodes.map((name) => ({ name, container: name, address: '', address6: undefined })) }
      const { id } = (await inspectImage(docker, busybox))!
      const absent = { reference: 'vk-test-absent:1', id }
      // One bad name of several: none is taken for imported.
      await expect(importImages(docker, asNodes, [absent], signal)).rejects.toThrow(
        /Docker could not export "vk-test-absent:1": .*no such image|reference does not exist/i,
      )
      await docker.engine.getImage(busybox).tag({ repo: 'vk-test-good', tag: '1' })
      try {
        const good = { reference: 'vk-test-good:1', id }
        await expect(importImages(docker, asNodes, [good, absent], signal)).rejects.toMatchObject({
          code: 'ERR_IMAGE_IMPORT_FAILED',
          message: expect.stringContaining('"vk-test-absent:1"') as string,
        })

        const archive = await buffer(await saveImages(docker, [good.reference]))
        const truncated = Readable.from([archive.subarray(0, archive.length / 2)])
        await expect(importArchive(docker, nodes, truncated, [good], signal)).rejects.toThrow(
          new RegExp(`^Image "vk-test-good:1" did not arrive in node "k3d-${cluster.name}-(server|agent)-0"\\.\n.*unexpected EOF`, 's'),
        )
        const broken = new Readable({
          read() {
            this.push(archive.subarray(0, 1000))
            this.destroy(new Error('the connection broke'))
          },
        })
        await expect(importArchive(docker, nodes, broken, [good], signal)).rejects.toThrow(/^Image "vk-test-good:1" did not arrive in node/)

        const store = '/var/lib/rancher/k3s/agent/containerd/io.containerd.content.v1.content/ingest'
        await runOnNode(cluster, 'agent-0', ['sh', '-c', `mount --bind ${store} ${store} && mount -o remount,bind,ro ${store}`])
        try {
          await expect(importArchive(docker, nodes, Readable.from([archive]), [good], signal)).rejects.toThrow(
            new RegExp(`^Image "vk-test-good:1" did not arrive in node "k3d-${cluster.name}-agent-0"\\.\n.*read-only file system`, 's'),
          )
        } finally {
          await runOnNode(cluster, 'agent-0', ['umount', store])
        }
        await importArchive(docker, nodes, Readable.from([archive]), [good], signal)
        // Where ids cannot be compared, an older image of that name must not hide that the import failed.
        const uncomparable = { ...docker, usesContainerdStore: true }
        const other = { ...good, id: 'sha256:0' }
        const half = Readable.from([archive.subarray(0, archive.length / 2)])
        await expect(importArchive(uncomparable, nodes, half, [other], signal)).rejects.toThrow(
          /^Image "vk-test-good:1" did not arrive in node ".*"\.\n.*unexpected EOF/s,
        )
      } finally {
        await docker.engine.getImage('vk-test-good:1').remove()
      }
      expect(await kubectl(cluster, 'get nodes')).not.toContain('NotReady')
    })

    test('a build that fails names the step and its exit code, and leaves no image', async () => {
      await write({
        'copies/Dockerfile': 'FROM scratch\nCOPY absent.txt /\n',
        'exits/Dockerfile': 'FROM busybox:1.37\nRUN echo compiling && exit 3\n',
        'based/Dockerfile': 'FROM localhost:1/absent:1\n',
      })
      const code = 'ERR_IMAGE_BUILD_FAILED'
      await expect(build('copies', 'vk-test-failing:1')).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/copies\/Dockerfile" failed at "COPY absent\.txt \/": .*absent\.txt/s) as string,
      })
      await expect(build('exits', 'vk-test-failing:1')).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/failed at "RUN echo compiling && exit 3": .*returned a non-zero code: 3\n.*compiling/s) as string,
      })
      await expect(build('based', 'vk-test-failing:1')).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/failed at "FROM localhost:1\/absent:1": /) as string,
      })
      expect(await inspectImage(docker, 'vk-test-failing:1')).toBeUndefined()
    })

    test('pulls private images with the credentials of docker login, FROM lines included, and runs one that is pinned by its digest', async ({
      cluster,
    }) => {
      const tagged = `${registry.host}/shop/tools:1`
      await write({ 'private/Dockerfile': `FROM ${tagged}\nRUN echo built > /text\n` })
      try {
        // Known by this name to nobody's config.
        const stranger = tagged.replace('localhost', '127.0.0.1')
        await expect(pullImage(docker, stranger, signal)).rejects.toThrow(/authentication required|no basic auth credentials|unauthorized/i)
        await build('private', 'vk-test-private:1')
        expect(await runCommand('docker', ['run', '--rm', '--label', 'vk-test', 'vk-test-private:1', 'cat', '/text'])).toBe('built\n')
        const pinned = `${registry.host}/shop/tools@${registry.digest}`
        const { id } = await pullImage(docker, pinned, signal)
        await cluster.apply(shellPod('pinned', '', { containers: [{ name: 'app', image: pinned, command: ['sleep', '3600'] }] }))
        const [pod] = await podsOf(cluster, 'pinned')
        expect(pod!.spec!.containers[0]).toMatchObject({ image: `${registry.host}/shop/tools:vk-${id.slice(7, 19)}` })
      } finally {
        const tags = (await docker.engine.listImages()).flatMap(({ RepoTags }) => RepoTags ?? [])
        const own = tags.filter((each) => each.startsWith(registry.host) || each.startsWith('vk-test-private:'))
        if (own.length > 0) await runCommand('docker', ['image', 'rm', '--force', ...own])
      }
    })

    test('sends of a folder what docker build does', async () => {
      const rules = '# comment\n**/*.log\ndocs\n!docs/keep.md\n/tmp/*\n!tmp/deep\n.dockerignore\nDockerfile\n'
      await write(
        {
          '.dockerignore': rules,
          Dockerfile: 'FROM busybox:1.37\nCOPY . /ctx\n',
          'a.log': '',
          'src/b.log': '',
          'src/b.ts': '',
          'docs/a.md': '',
          'docs/keep.md': '',
          'tmp/x': '',
          'tmp/deep/y': '',
          'weird name [1].txt': '',
        },
        join(folder, 'context'),
      )
      await mkdir(join(folder, 'context/empty'))
      const listOf = async (image: string) =>
        (await runCommand('docker', ['run', '--rm', '--label', 'vk-test', image, 'sh', '-c', 'cd /ctx && find . | sort']))
          .trim()
          .split('\n')
      await build('context', 'vk-test-ours:1')
      // The Docker CLI does not know of substitutes.
      await writeFile(join(folder, 'context/Dockerfile'), `FROM ${busybox}\nCOPY . /ctx\n`)
      await runCommand('docker', ['build', '--tag', 'vk-test-theirs:1', join(folder, 'context')], { env: { DOCKER_BUILDKIT: '0' } })
      try {
        const ours = await listOf('vk-test-ours:1')
        expect(ours).toEqual(await listOf('vk-test-theirs:1'))
        expect(ours).toEqual([
          '.',
          './docs',
          './docs/keep.md',
          './empty',
          './src',
          './src/b.ts',
          './tmp',
          './tmp/deep',
          './tmp/deep/y',
          './weird name [1].txt',
        ])
      } finally {
        await runCommand('docker', ['image', 'rm', '--force', 'vk-test-ours:1', 'vk-test-theirs:1'])
      }
    })

    test('stops at a target, takes build arguments, and refuses an image that is too large with a table of its layers', async () => {
      await write({
        'large/Dockerfile': [
          'FROM busybox:1.37 AS small',
          'ARG TEXT=none',
          'RUN mkdir /www && echo $TEXT > /www/index.html',
          'FROM small',
          'RUN head -c 5000000 /dev/zero > /blob',
          '',
        ].join('\n'),
      })
      const small = await prepare(
        await planImages({ 'vk-test-large': { build: './large', target: 'small', buildArgs: { TEXT: 'given' }, maxSize: '5MB' } }, folder),
      )
      try {
        const { reference } = small.images[0]!
        expect(await runCommand('docker', ['run', '--rm', '--label', 'vk-test', reference, 'cat', '/www/index.html'])).toBe('given\n')
        const before = await contentTags('vk-test-large')
        await expect(prepare(await planImages({ 'vk-test-large': { build: './large', maxSize: '5MB' } }, folder))).rejects.toMatchObject({
          code: 'ERR_IMAGE_TOO_LARGE',
          message: expect.stringMatching(
            /^Image "vk-test-large" is 8\.\d MB, and its maxSize is 5\.0 MB:\n +size +step\n.*FROM .*busybox.*\n.*\n +5\.0 MB +RUN head -c 5000000 \/dev\/zero > \/blob\nHint: .*vitest-kubernetes images \.\/large/,
          ) as string,
        })
        expect(await contentTags('vk-test-large')).toEqual(before)
        const out: string[] = []
        const context = { print: (line: string) => out.push(line), note: () => {}, env: process.env, cwd: folder }
        expect(await runCli(['images', './large', '--json'], context)).toBe(0)
        const [report] = (JSON.parse(out.join('\n')) as { images: readonly Record<string, unknown>[] }).images
        expect(report).toMatchObject({
          name: 'large',
          user: 'root',
          base: busybox,
          layers: [
            { step: `FROM ${busybox}` },
            { step: expect.stringMatching(/^RUN mkdir/) },
            { step: expect.stringMatching(/^RUN head/), size: 5_000_000 },
          ],
          warnings: ['It runs as root. Add a USER line.'],
          isTooLarge: false,
        })
        expect((report!['biggestFiles'] as unknown[])[0]).toEqual({ path: '/blob', size: 5_000_000 })
      } finally {
        await runCommand('docker', ['image', 'rm', '--force', ...(await contentTags('vk-test-large')), ...(await contentTags('large'))])
      }
    })
  },
)

async function contentTags(name: string): Promise<readonly string[]> {
  const images = await docker.engine.listImages({ filters: { reference: [`${name}:vk-*`] } })
  return images.flatMap(({ RepoTags }) => RepoTags ?? [])
}
