import { statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'

import { type HostLimits, readHostLimits } from '../cluster/host-limits.ts'
import { findK3d } from '../cluster/k3d.ts'
import { type AddressPool, countFreeSubnets, defaultAddressPools } from '../cluster/network/address-pools.ts'
import { takenSubnets } from '../cluster/network/docker-network.ts'
import { findLeftovers } from '../cluster/ownership/leftovers.ts'
import { listTemplates } from '../cluster/template/template.ts'
import { type Docker, connectDocker } from '../docker/docker.ts'
import { readSettings } from '../engine/settings.ts'
import { ClusterTestError, messageOf } from '../support/errors.ts'
import { runCommand } from '../support/run-command.ts'

/** What `doctor` judges: what was found, without an opinion. */
export interface HostFacts {
  /** Of Node.js. */
  readonly node: string
  readonly engine: EngineFacts | Failure
  readonly k3d: { readonly version: string } | Failure
  readonly limits: HostLimits
  readonly env: Readonly<Record<string, string | undefined>>
  /** Versions of programs that only some suites need; undefined for one that cannot be run. */
  readonly programs: Readonly<Record<string, string | undefined>>
}

export interface EngineFacts {
  readonly version: string
  readonly apiVersion: string
  readonly minApiVersion: string | undefined
  readonly cgroupVersion: 1 | 2
  readonly isRootless: boolean
  readonly isDesktop: boolean
  /** Its address, if that is of another machine. */
  readonly elsewhere: string | undefined
  readonly processors: number
  /** Bytes. */
  readonly memory: number
  /** Networks that Docker can still make of its address pools. */
  readonly subnets: { readonly free: number; readonly all: number }
  /** Of Docker's folder; undefined where that is not on this machine. */
  readonly disk: { readonly folder: string; readonly free: number; readonly size: number } | undefined
  /** Runs that have ended and left something. */
  readonly deadRuns: number
  /** Bytes of each template that clusters are forked from. */
  readonly templates: readonly number[]
}

export interface Failure {
  readonly error: string
  readonly hint: string | undefined
}

export async function readHostFacts(env: HostFacts['env']): Promise<HostFacts> {
  const docker = await attempt(connectDocker)
  const isUp = 'engine' in docker
  const [engine, k3d, limits, helm, sops, kubectl] = await Promise.all([
    isUp ? attempt(() => readEngine(docker)) : docker,
    attempt(() => findK3d({ env: isUp ? docker.env : {} }, readSettings(env).k3d)),
    readHostLimits(isUp ? docker.memory : totalmem()),
    readVersion('helm', ['version', '--short']),
    readVersion('sops', ['--version']),
    readVersion('kubectl', ['version', '--client']),
  ])
  return { node: process.versions.node, engine, k3d, limits, env, programs: { helm, sops, kubectl } }
}

async function readEngine(docker: Docker): Promise<EngineFacts> {
  const [version, info, taken, leftovers, templates] = await Promise.all([
    docker.engine.version(),
    docker.engine.info() as Promise<{
      DefaultAddressPools?: readonly { Base: string; Size: number }[]
      DockerRootDir?: string
      OperatingSystem?: string
      SecurityOptions?: string[]
    }>,
    takenSubnets(docker),
    findLeftovers(docker),
    listTemplates(docker),
  ])
  const elsewhere = /^tcp:\/\/(?!localhost|127\.|\[::1\])/.test(docker.address) ? docker.address : undefined
  const pools: readonly AddressPool[] =
    info.DefaultAddressPools?.map(({ Base, Size }) => ({ base: Base, size: Size })) ?? defaultAddressPools
  return {
    version: version.Version,
    apiVersion: version.ApiVersion,
    minApiVersion: (version as { MinAPIVersion?: string }).MinAPIVersion,
    cgroupVersion: docker.cgroupVersion,
    isRootless: info.SecurityOptions?.some((option) => option.includes('rootless')) ?? false,
    isDesktop: info.OperatingSystem === 'Docker Desktop',
    processors: docker.processors,
    memory: docker.memory,
    subnets: countFreeSubnets(pools, taken),
    elsewhere,
    disk: elsewhere ? undefined : await readDisk(info.DockerRootDir),
    deadRuns: leftovers.length,
    templates: templates.map(({ size }) => size),
  }
}

async function readDisk(folder = '/var/lib/docker'): Promise<EngineFacts['disk']> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { folder, free: bavail * bsize, size: blocks * bsize }
  } catch (error) {
    // In a virtual machine, or not for everybody to look at.
    if (['ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

async function readVersion(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const output = await runCommand(command, args)
    return /v?(\d+\.\d+\.\d+\S*)/.exec(output)?.[1] ?? 'unknown'
  } catch (error) {
    if (error instanceof ClusterTestError && error.code === 'ERR_COMMAND_FAILED') return undefined
    throw error
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<T | Failure> {
  try {
    return await work()
  } catch (error) {
    const hint = error instanceof ClusterTestError ? error.hint : undefined
    return { error: hint ? messageOf(error).slice(0, -`\nHint: ${hint}`.length) : messageOf(error), hint }
  }
}
