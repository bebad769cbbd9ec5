import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

import { expect } from 'vitest'

import { findFreePort } from '../cluster/network/free-port.ts'
import { describe } from '../suite/describe.ts'
import { echoApp } from '../testing/echo-app.ts'

const busy = createServer().listen(0, '127.0.0.1')
await once(busy, 'listening')
const { port: taken } = busy.address() as AddressInfo
const free = await findFreePort()

describe.withCluster(
  'ports',
  { images: ['busybox:1.37'], manifests: [...echoApp('web'), ...echoApp('other')], ports: { web: free, 'other:http': taken } },
  (test) => {
    test.afterAll(() => void busy.close())

    test('a Service has the port that it is given, and another one where somebody has that', async ({ cluster }) => {
      expect(cluster.url('web')).toBe(`http://127.0.0.1:${free}`)
      expect(await (await fetch(cluster.url('web'))).text()).toBe('web')
      expect(cluster.address('other').port).not.toBe(taken)
      expect(await (await fetch(cluster.url('other'))).text()).toBe('other')
    })

    test('what comes later is reached too', async ({ cluster }) => {
      await cluster.apply(echoApp('later'))
      expect(await (await fetch(cluster.url('later'))).text()).toBe('later')
      expect(cluster.url('web')).toBe(`http://127.0.0.1:${free}`)
    })
  },
)
