import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

import { Pool } from 'pg'
import { expect, test } from 'vitest'

import { installClusterNames } from './host-names.ts'

test('connections to the cluster end without an error that nobody catches, and new ones are refused', async () => {
  // All that a client of PostgreSQL needs to be connected: AuthenticationOk and ReadyForQuery.
  const server = createServer((socket) => socket.once('data', () => socket.write(Buffer.from('5200000008000000005a0000000549', 'hex'))))
  const { port: hostPort } = (await once(server.listen(0, '127.0.0.1'), 'listening').then(() => server.address())) as AddressInfo
  const address = { namespace: 'default', service: 'postgres', port: 5432, host: '127.0.0.1', hostPort }
  using names = installClusterNames(() => [address], 'default')
  const pools = [new Pool({ host: 'postgres', user: 'shop' }), new Pool({ host: '127.0.0.1', port: hostPort, user: 'shop' })]
  for (const pool of pools) (await pool.connect()).release()
  const other = connect((server.address() as AddressInfo).port, 'localhost')
  await once(other, 'connect')

  names.endConnections()
  await expect.poll(() => pools.map(({ totalCount }) => totalCount)).toEqual([0, 0])
  for (const pool of pools) await expect(pool.connect()).rejects.toThrow('(the suite has ended)')
  await Promise.all(pools.map((pool) => pool.end()))
  // What does not lead to a Service by its name or address is nobody's business here.
  expect(other.destroyed).toBe(false)
  other.destroy()
  server.close()
})
