import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { describe, expect } from 'vitest-kubernetes'

import { ladder } from './ladder.ts'

const rungs = Object.keys(ladder.images)

/** One Deployment and Service of each image. */
const manifests = rungs.flatMap((name) => [
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'app', image: name, readinessProbe: { httpGet: { path: '/', port: 3000 }, periodSeconds: 1 } }] },
      },
    },
  },
  { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 3000 }] } },
])

describe.withCluster('slim images', { images: ladder.images, manifests }, (test) => {
  test.for(rungs)('%s answers', async (name, { request }) => {
    await request(name).post('/').send('sku: A-1\nquantity: 2\n').type('text/plain').expect(200, { sku: 'A-1', quantity: 2 })
  })

  test('from the slim base on, nothing runs as root', async ({ request }) => {
    const users = await Promise.all(rungs.map(async (name) => [name, (await request(name).get('/')).body.user]))
    expect(Object.fromEntries(users)).toEqual({ naive: 0, cleaned: 0, slim: 1000, 'multi-stage': 1000, minimal: 1000 })
  })

  test('each image is smaller than the one before, and the README has them in that order', async ({ cluster }) => {
    const sizes: number[] = []
    for (const name of rungs) {
      const { spec } = await cluster.get<{ spec: { template: { spec: { containers: [{ image: string }] } } } }>(`deployment/${name}`)
      const { stdout } = await promisify(execFile)('docker', [
        'image',
        'inspect',
        '--format',
        '{{.Size}}',
        spec.template.spec.containers[0].image,
      ])
      sizes.push(Number(stdout))
    }
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
    expect(new Set(sizes)).toHaveLength(rungs.length)

    const readme = await readFile(new URL('README.md', import.meta.url), 'utf8')
    const rows = [...readme.matchAll(/^\| `([\w-]+)\.Dockerfile` \| (\d+) MB/gm)].map(([, name, size]) => [name, Number(size)] as const)
    expect(rows.map(([name]) => name)).toEqual(rungs)
    expect(rows.map(([, size]) => size)).toEqual(rows.map(([, size]) => size).toSorted((a, b) => b - a))
  })
})
