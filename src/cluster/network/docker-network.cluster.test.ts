import type { NetworkInspectInfo } from 'dockerode'
import { expect, test } from 'vitest'

import { type Docker, connectDocker } from '../../docker/docker.ts'
import { isEmpty, listByLabel, removeByLabel } from '../../docker/remove.ts'
import { randomId } from '../../support/identity.ts'
import { isIPv6, overlaps, parseRange } from '../../support/ip-range.ts'
import { clusterRanges } from './cluster-ranges.ts'
import { createDockerNetwork } from './docker-network.ts'

/** Creates the network of a cluster with these ranges. */
async function createFor(k3sArgs: readonly string[], family: 'ipv4' | 'dual' = 'ipv4', change = (docker: Docker) => docker) {
  const docker = change(await connectDocker())
  const name = `vk-test-${randomId(3)}`
  const label = 'vitest-kubernetes.test'
  const remove = async () => {
    await removeByLabel(docker, [`${label}=${name}`])
    expect(isEmpty(await listByLabel(docker, [`${label}=${name}`]))).toBe(true)
  }
  const others = (await docker.engine.listNetworks()).flatMap(subnetsOf)
  try {
    await createDockerNetwork(docker, {
      ...{ name, labels: { [label]: name }, signal: AbortSignal.timeout(30_000) },
      ranges: clusterRanges(k3sArgs, family),
    })
    const subnets = subnetsOf(await docker.engine.getNetwork(name).inspect())
    return { subnets, others, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

function subnetsOf({ IPAM }: NetworkInspectInfo): readonly string[] {
  return (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? [])
}

const anyOverlap = (subnet: string, ranges: readonly string[]) => ranges.some((range) => overlaps(parseRange(subnet)!, parseRange(range)!))

test.for([
  [['--cluster-cidr=172.16.0.0/12', '--service-cidr=10.43.0.0/16'], 'ipv4'],
  [['--cluster-cidr=172.16.0.0/12', '--service-cidr=192.168.0.0/16'], 'ipv4'],
  [['--cluster-cidr=172.16.0.0/12,fd42::/56', '--service-cidr=192.168.0.0/16,fd43::/112'], 'dual'],
] as const)('the network of a cluster with %j is apart from its ranges and from other networks', async ([k3sArgs, family]) => {
  await using network = await createFor(k3sArgs, family)
  const { pods, services } = clusterRanges(k3sArgs, family)
  expect(network.subnets.map((subnet) => (isIPv6(subnet) ? 'ipv6' : 'ipv4'))).toEqual(family === 'dual' ? ['ipv4', 'ipv6'] : ['ipv4'])
  for (const subnet of network.subnets) expect(anyOverlap(subnet, [...pods, ...services, ...network.others]), subnet).toBe(false)
})

test('Docker chooses where nothing overlaps', async () => {
  await using network = await createFor(['--cluster-cidr=10.42.0.0/16'])
  expect(network.subnets).toHaveLength(1)
})

/** The engine, when each of the networks that it can choose a range for is there. */
function withoutPools(docker: Docker): Docker {
  const engine = Object.create(docker.engine) as Docker['engine']
  engine.createNetwork = (options) =>
    options.IPAM?.Config?.some(({ Subnet }) => Subnet && !isIPv6(Subnet))
      ? docker.engine.createNetwork(options)
      : Promise.reject(new Error('(HTTP code 400) all predefined address pools have been fully subnetted'))
  return { ...docker, engine }
}

test.for(['ipv4', 'dual'] as const)('a free range is taken when the address pools of Docker are exhausted (%s)', async (family) => {
  await using network = await createFor([], family, withoutPools)
  const { pods, services } = clusterRanges([], family)
  expect(network.subnets).toHaveLength(family === 'dual' ? 2 : 1)
  for (const subnet of network.subnets) expect(anyOverlap(subnet, [...pods, ...services, ...network.others]), subnet).toBe(false)
})

test('where there is none either, the error says so', async () => {
  await expect(createFor(['--cluster-cidr=0.0.0.0/1', '--service-cidr=128.0.0.0/1'], 'ipv4', withoutPools)).rejects.toMatchObject({
    code: 'ERR_CLUSTER_NETWORK_OVERLAP',
    message: expect.stringMatching(/^Docker has no network left in its address pools, and no other private range is free\./),
    hint: expect.stringContaining('npx vitest-kubernetes prune'),
  })
})

test('where no range is free the error names two that overlap, and nothing is left', async () => {
  await expect(createFor(['--cluster-cidr=0.0.0.0/1', '--service-cidr=128.0.0.0/1'])).rejects.toMatchObject({
    code: 'ERR_CLUSTER_NETWORK_OVERLAP',
    message: expect.stringMatching(/would be in \d+\.\S+\/\d+, which overlaps with the cluster's range (?:0\.0\.0\.0\/1|128\.0\.0\.0\/1)/),
    hint: expect.stringContaining('--cluster-cidr='),
  })
})
