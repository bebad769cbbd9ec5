import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { writeAddresses } from '../../cluster/network/service-address.ts'
import { readAddresses } from './read-addresses.ts'

const at = (service: string, hostPort: number) => ({
  ...{ namespace: 'default', service, portName: '', port: 80, host: '127.0.0.1' },
  hostPort,
})

test('what is asked for is as the file is now, and stays as it was last when that has gone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'addresses-'))
  const file = join(folder, 'addresses.json')
  const addresses = readAddresses(file)
  expect(addresses()).toEqual([])
  await writeAddresses(file, [at('orders', 40_001)])
  expect(addresses()).toEqual([at('orders', 40_001)])
  // As long as before, and maybe in the same millisecond.
  await writeAddresses(file, [at('stocks', 40_002)])
  expect(addresses()).toEqual([at('stocks', 40_002)])
  await rm(folder, { recursive: true })
  expect(addresses()).toEqual([at('stocks', 40_002)])
})
