import { expect } from 'vitest'

import { describe } from '../../suite/describe.ts'
import { echoApp } from '../../testing/echo-app.ts'
import { ingress, rule, to } from '../../testing/ingress.ts'
import { kubectl } from '../../testing/nodes.ts'

describe.withCluster(
  'ingress: false',
  {
    images: ['busybox:1.37'],
    ingress: false,
    manifests: [...echoApp('web'), ingress('shop', { ingressClassName: 'nginx', rules: [rule('shop.localhost', to('/', 'web'))] })],
  },
  (test) => {
    test('Ingresses are there, and nothing serves them', async ({ cluster, request }) => {
      expect(await kubectl(cluster, 'get ingress,deployment -o name')).toBe('ingress.networking.k8s.io/shop\ndeployment.apps/web\n')
      await request('web').get('/').expect(200)
      expect(() => cluster.url('ingress/shop')).toThrow(
        'There is no Ingress "shop" in the cluster that the stack\'s ingress controller serves.',
      )
      await cluster.apply(ingress('later', { rules: [rule('later.localhost', to('/', 'web'))] }))
      expect(await kubectl(cluster, 'get deployment -o name')).toBe('deployment.apps/web\n')
    })
  },
)
