import { expect, test } from 'vitest'

import { runCommand } from '../support/run-command.ts'
import { formatEnv, serviceEnv } from './service-env.ts'

const address = (service: string, port: number, hostPort: number, portName = '', namespace = 'default') => ({
  ...{ namespace, service, portName, port, host: '127.0.0.1', hostPort },
})

test('names variables by Services, ports and namespaces', () => {
  const addresses = [
    address('my-orders', 80, 1001),
    address('gateway', 8000, 1002, 'http'),
    address('gateway', 9090, 1003, 'metrics'),
    address('queue', 5672, 1004),
    address('queue', 15_672, 1005),
    address('mail', 80, 1006, '', 'other'),
    address('db', 5432, 1007),
    address('4ever', 443, 1008),
  ]
  const services = { db: { url: 'postgres://app:p%40@127.0.0.1:1007/shop', host: '127.0.0.1', port: 1007, user: 'app', password: 'p@' } }
  expect(serviceEnv({ addresses, namespace: 'default', services })).toEqual({
    ...{ MY_ORDERS_URL: 'http://127.0.0.1:1001', MY_ORDERS_HOST: '127.0.0.1', MY_ORDERS_PORT: '1001' },
    ...{ GATEWAY_URL: 'http://127.0.0.1:1002', GATEWAY_HOST: '127.0.0.1', GATEWAY_PORT: '1002' },
    ...{ GATEWAY_HTTP_URL: 'http://127.0.0.1:1002', GATEWAY_HTTP_HOST: '127.0.0.1', GATEWAY_HTTP_PORT: '1002' },
    ...{ GATEWAY_METRICS_HOST: '127.0.0.1', GATEWAY_METRICS_PORT: '1003' },
    ...{ QUEUE_5672_HOST: '127.0.0.1', QUEUE_5672_PORT: '1004', QUEUE_15672_HOST: '127.0.0.1', QUEUE_15672_PORT: '1005' },
    ...{ MAIL_OTHER_URL: 'http://127.0.0.1:1006', MAIL_OTHER_HOST: '127.0.0.1', MAIL_OTHER_PORT: '1006' },
    ...{ DB_URL: 'postgres://app:p%40@127.0.0.1:1007/shop', DB_HOST: '127.0.0.1', DB_PORT: '1007', DB_USER: 'app', DB_PASSWORD: 'p@' },
    ...{ _4EVER_URL: 'https://127.0.0.1:1008', _4EVER_HOST: '127.0.0.1', _4EVER_PORT: '1008' },
  })
})

test.each(['plain', '', 'a b', 'a=b', '#', '$HOME', '`date`', "it's", `it's "$x" \\ \`y\``, 'two\nlines', 'ä', '!'])(
  'writes %j so that shells read it back',
  async (value) => {
    const line = formatEnv('NAME', value)
    expect(await runCommand('sh', ['-c', `${line}\nprintf %s "$NAME"`])).toBe(value)
  },
)

test.each(['plain', 'a b', 'a=b #c', '$HOME', "it's", 'two\nlines'])('writes %j so that Node.js reads it back', async (value) => {
  const { parseEnv } = await import('node:util')
  expect(parseEnv(`${formatEnv('NAME', value)}\nNEXT=1`)).toEqual({ NAME: value, NEXT: '1' })
})
