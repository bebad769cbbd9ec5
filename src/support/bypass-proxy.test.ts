import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, test } from 'vitest'

import { noProxyEnv } from './bypass-proxy.ts'
import { runCommand } from './run-command.ts'

test('adds to what the user has, in the spelling that there is, and nothing where there is no proxy', () => {
  const own = 'localhost,127.0.0.1,127.0.0.0-127.255.255.255,::1,[::1]'
  expect(noProxyEnv({ PATH: '/bin', NO_PROXY: 'a' })).toEqual({})
  expect(noProxyEnv({ HTTP_PROXY: 'http://p', NO_PROXY: 'a, .b' }, ['orders'])).toEqual({ NO_PROXY: `a,.b,${own},orders` })
  expect(noProxyEnv({ https_proxy: 'http://p', no_proxy: 'a', NO_PROXY: 'b' })).toEqual({ NO_PROXY: `a,${own}`, no_proxy: `a,${own}` })
})

test('with NODE_USE_ENV_PROXY, fetch and http ask loopback and the names of a cluster directly, and the proxy for the rest', async () => {
  const asked: string[] = []
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.end('proxy')
  })
  proxy.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`)
    socket.write('HTTP/1.1 200 Connected\r\n\r\n')
    proxy.emit('connection', socket)
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  const root = new URL('..', import.meta.url).href
  const script = `
    import http from 'node:http'
    import { installClusterNames } from '${root}bridge/side/host-names.ts'
    import { bypassProxy } from '${root}support/bypass-proxy.ts'
    const server = http.createServer((_, response) => response.end('direct')).listen(0, '127.0.0.1', async () => {
      const { port } = server.address()
      const get = (url) => new Promise((resolve, reject) => http.get(url, (response) => response.on('data', (text) => resolve(String(text)))).on('error', reject))
      const ask = async () => {
        for (const host of ['127.0.0.1:' + port, 'localhost:' + port, 'orders', 'orders.shop', 'example.com'])
          for (const client of [get, (url) => fetch(url).then((response) => response.text())])
            console.log(host.replace(/:.*/, ''), await client('http://' + host + '/').catch((error) => String(error)))
      }
      const names = installClusterNames(() => [{ namespace: 'shop', service: 'orders', port: 80, host: '127.0.0.1', hostPort: port }], 'shop')
      const bypass = bypassProxy(['orders', 'orders.shop'])
      await ask()
      bypass[Symbol.dispose]()
      console.log('after', await get('http://orders/'))
      process.exit()
    })`
  const { port } = proxy.address() as AddressInfo
  const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '', NODE_OPTIONS: '' }
  const output = await runCommand(process.execPath, ['--input-type=module', '--eval', script], { env })
  proxy.close()
  const hosts = ['127.0.0.1', 'localhost', 'orders', 'orders.shop']
  const lines = hosts.flatMap((host) => [`${host} direct`, `${host} direct`])
  expect(output.trim().split('\n')).toEqual([...lines, 'example.com proxy', 'example.com proxy', 'after proxy'])
  expect(asked).toEqual(['GET http://example.com/', 'CONNECT example.com:80', 'GET /', 'GET http://orders/'])
})
