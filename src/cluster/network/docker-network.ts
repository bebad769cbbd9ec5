import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import type { Docker } from '../../docker/docker.ts'
import { ClusterTestError, messageOf } from '../../support/errors.ts'
import { isIPv6, parseRange } from '../../support/ip-range.ts'
import type { ClusterRanges } from './cluster-ranges.ts'
import { findOverlap, freeSubnets, parseRoutes } from './subnets.ts'

export interface DockerNetworkOptions {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Of the cluster that is to be in it. */
  readonly ranges: ClusterRanges
  readonly signal: AbortSignal
}

/**
 * Creates the Docker network of a cluster: with IPv6 if the cluster has it, and apart from the addresses of pods and Services.
 * What Docker chooses is taken where it fits; Docker knows its own networks and this machine's routes, not what is inside of the nodes.
 * @throws ClusterTestError `ERR_CLUSTER_NO_IPV6`, `ERR_CLUSTER_NETWORK_OVERLAP`
 */
export async function createDockerNetwork(docker: Docker, options: DockerNetworkOptions): Promise<void> {
  const { ranges, signal } = options
  const inCluster = [...ranges.pods, ...ranges.services]
  const ipv6 = ranges.family === 'dual' ? localSubnet() : undefined
  const unfit = await createWhereDockerChooses(docker, options, inCluster, ipv6)
  if (!unfit) return

  const taken = [...inCluster, ...(await takenSubnets(docker))].flatMap((cidr) => parseRange(cidr) ?? [])
  for (const subnet of unfit.isIPv6 ? [] : freeSubnets(taken)) {
    signal.throwIfAborted()
    try {
      return await create(docker, options, ipv6 ? [subnet, ipv6] : [subnet])
    } catch (error) {
      // Another network may have come meanwhile.
      if (!/overlap/i.test(messageOf(error))) throw error
    }
  }
  throw new ClusterTestError('ERR_CLUSTER_NETWORK_OVERLAP', `${unfit.why}, and no other private range is free.`, {
    hint: `Give the cluster other ranges: k3sArgs: ['--cluster-cidr=10.42.0.0/16', '--service-cidr=10.43.0.0/16']. Or remove unused Docker networks (docker network prune), and what dead runs left behind (npx vitest-kubernetes prune).`,
  })
}

interface Unfit {
  /** Begins the sentence of the error. */
  readonly why: string
  readonly isIPv6: boolean
}

/** Resolves to why what Docker chooses cannot be taken, with nothing left of it; undefined if it can. */
async function createWhereDockerChooses(
  docker: Docker,
  options: DockerNetworkOptions,
  inCluster: readonly string[],
  ipv6: string | undefined,
): Promise<Unfit | undefined> {
  try {
    await (ipv6 ? createWithIPv6(docker, options, ipv6) : create(docker, options, []))
  } catch (error) {
    // The words of libnetwork's ipam, Docker 20.10 and 28.
    if (!/address pool/i.test(messageOf(error))) throw error
    return { why: `Docker has no network left in its address pools`, isIPv6: false }
  }
  const overlap = findOverlap(inCluster, await subnetsOf(docker, options.name))
  if (!overlap) return undefined
  await docker.engine.getNetwork(options.name).remove()
  const [range, chosen] = overlap
  return {
    why: `The cluster's Docker network would be in ${chosen}, which overlaps with the cluster's range ${range}`,
    isIPv6: isIPv6(chosen),
  }
}

/** Where there is no IPv6, Docker says so in words of its own: that of the same network without it tells what the reason is. */
async function createWithIPv6(docker: Docker, options: DockerNetworkOptions, subnet: string): Promise<void> {
  try {
    await create(docker, options, [subnet])
  } catch (error) {
    await create(docker, options, [])
    throw noIPv6(messageOf(error), error)
  }
  if (!(await subnetsOf(docker, options.name)).some(isIPv6)) throw noIPv6('the engine ignored it')
}

async function create(docker: Docker, { name, labels }: DockerNetworkOptions, subnets: readonly string[]): Promise<void> {
  await docker.engine.createNetwork({
    Name: name,
    CheckDuplicate: true,
    Labels: { ...labels },
    Options: {},
    EnableIPv6: subnets.some(isIPv6),
    ...(subnets.length > 0 && { IPAM: { Driver: 'default', Config: subnets.map(withGateway) } }),
  })
}

/** The gateway is named, since Docker before version 27 does not tell which one it has chosen in a subnet that it was given. */
function withGateway(subnet: string): { readonly Subnet: string; readonly Gateway: string } {
  return { Subnet: subnet, Gateway: subnet.replace(/(?<=::)\/.*|0\/.*/, '1') }
}

/** A /64 that nobody else has (RFC 4193). */
function localSubnet(): string {
  return `${`fd${randomBytes(5).toString('hex')}`.match(/..../g)!.join(':')}::/64`
}

async function subnetsOf(docker: Docker, network: string): Promise<readonly string[]> {
  const { IPAM } = await docker.engine.getNetwork(network).inspect()
  return (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? [])
}

/** What Docker's networks and this machine's routes have. */
export async function takenSubnets(docker: Docker): Promise<readonly string[]> {
  const networks = await docker.engine.listNetworks()
  const subnets = networks.flatMap(({ IPAM }) => IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? [])
  return [...subnets, ...(await readRoutes())]
}

async function readRoutes(): Promise<readonly string[]> {
  try {
    return parseRoutes(await readFile('/proc/net/route', 'utf8'))
  } catch (error) {
    // Not on macOS and Windows, where Docker runs in a virtual machine.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function noIPv6(why: string, cause?: unknown): ClusterTestError {
  return new ClusterTestError('ERR_CLUSTER_NO_IPV6', `Docker cannot make a network with IPv6, which ipFamily: 'dual' needs: ${why}.`, {
    ...(cause === undefined ? {} : { cause }),
    hint: `Enable IPv6 on the Docker host (sysctl net.ipv6.conf.all.disable_ipv6=0), or omit ipFamily.`,
  })
}
