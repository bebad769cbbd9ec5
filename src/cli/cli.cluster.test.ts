import { mkdtemp, rm, symlink, writeFile, readFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect } from 'vitest'

import { clusterLabel, createOwner, expiresLabel, ownerLabel, runLabel } from '../cluster/ownership/owner.ts'
import { connectDocker } from '../docker/docker.ts'
import { describe } from '../suite/describe.ts'
import { type CommandError, runCommand } from '../support/run-command.ts'
import { shellPod } from '../testing/echo-app.ts'
import { runCli } from './run-cli.ts'

const root = new URL('../../', import.meta.url).pathname
const program = `${root}src/cli/main.ts`
/** In this process, which is what takes the time. */
async function run(...args: readonly string[]) {
  let [out, err] = ['', '']
  const context = { print: (line: string) => void (out += `${line}\n`), note: (line: string) => void (err += `${line}\n`) }
  return { exitCode: await runCli(args, { ...context, env: process.env, cwd: root }), out, err }
}
const cli = async (...args: readonly string[]) => {
  const { exitCode, out, err } = await run(...args)
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' })
  return out
}
const failing = async (...args: readonly string[]) => {
  const { exitCode, err } = await run(...args)
  expect(exitCode).not.toBe(0)
  return err
}

describe.withCluster('command line', { images: ['busybox:1.37'] }, (test) => {
  test('list shows the cluster with its run, ports and memory', async ({ cluster }) => {
    const { runs } = JSON.parse(await cli('list', '--json')) as Listing
    const run = runs.find(({ clusters }) => clusters.some(({ name }) => name === cluster.name))!
    const [own] = run.clusters.filter(({ name }) => name === cluster.name)
    expect(run.owner).toMatchObject({ host: hostname(), state: 'alive' })
    expect(own).toMatchObject({ suite: 'command line', networks: [cluster.name], volumes: [`k3d-${cluster.name}-images`] })
    expect(own!.containers[0]).toMatchObject({
      name: `k3d-${cluster.name}-server-0`,
      role: 'server',
      state: 'running',
      ports: [expect.stringMatching(/^127\.0\.0\.1:\d+->6443\/tcp$/)],
    })
    expect(own!.containers[0]!.memory).toBeGreaterThan(50e6)
    expect(await cli('list')).toMatch(new RegExp(`pid ${run.owner.pid}, alive +${cluster.name} +command line +1 running`))
  })

  test('logs shows workloads, nodes and previous runs of containers, and goes on with --follow', async ({ cluster }) => {
    // The runtime reads both outputs by themselves.
    const talker = 'echo hello; sleep 0.5; echo to stderr >&2; i=0; while [ ! -e /stop ]; do i=$((i+1)); echo tick $i; sleep 0.2; done'
    await cluster.apply(shellPod('talker', talker, { restartPolicy: 'Always' }))
    expect(await cli('logs', cluster.name, 'pod/talker', '--tail', 'all')).toMatch(/^hello\n(.*\n)*tick 1\n/)
    const lines = (await cli('logs', 'command line', '--json')).trim().split('\n')
    expect(JSON.parse(lines[0]!)).toEqual({ source: 'talker', line: expect.stringMatching(/^(hello|tick \d+)$/) as string })
    expect((await cli('logs', cluster.name, 'node/server-0', '--tail', '2')).trim().split('\n')).toHaveLength(2)

    await cluster.exec('pod/talker', ['touch', '/stop'])
    await expect
      .poll(async () => (await run('logs', cluster.name, 'pod/talker', '--previous')).out, { timeout: 30_000 })
      .toMatch(/^tick \d+$/m)
    // What follows it has but lines of the new container.
    await expect.poll(async () => (await run('logs', cluster.name, 'pod/talker', '--tail', '1')).out, { timeout: 30_000 }).toMatch(/^tick /)

    const stop = new AbortController()
    const seen: string[] = []
    const { promise: goesOn, resolve } = Promise.withResolvers<void>()
    const following = runCommand(process.execPath, [program, 'logs', cluster.name, 'pod/talker', '-f', '--tail', '1'], {
      signal: stop.signal,
      onLine: (line) => (seen.push(line) >= 5 ? resolve() : undefined),
    })
    await Promise.race([goesOn, following])
    stop.abort(new Error('seen enough'))
    await expect(following).rejects.toThrow('seen enough')
    const ticks = seen.slice(1, 5).map((line) => Number(line.replace('tick ', '')))
    expect(ticks).toEqual(ticks.map((_, index) => ticks[0]! + index))
  })

  test('logs says what there is when it finds nothing', async ({ cluster }) => {
    expect(await failing('logs', 'no-such-cluster')).toMatch(/^No cluster matches "no-such-cluster"\.\nHint: .*vk-/)
    expect(await failing('logs', cluster.name, 'node/agent-7')).toMatch(/has no node "agent-7"\.\nHint: It has "server-0"\./)
    expect(await failing('logs', cluster.name, 'deployment/none')).toMatch(/^There is no Deployment "none" in namespace "default"\./)
  })

  test('prune spares what lives and what is kept, and removes the rest of a dead run', async ({ cluster }) => {
    const { engine } = await connectDocker()
    const run = createOwner().labels[runLabel]!
    const labels = {
      [runLabel]: run,
      [ownerLabel]: createOwner().labels[ownerLabel]!.replace(/\/[^/]*$/, '/0'),
      [clusterLabel]: `vk-${run}-dead`,
      // Else the prune of another run on this machine may come first.
      [expiresLabel]: String(Date.now() + 600_000),
    }
    await engine.createVolume({ Name: `vk-${run}-dead`, Labels: labels })
    try {
      expect(await cli('list')).toMatch(new RegExp(`${run} +kept +vk-${run}-dead`))
      expect(await cli('prune', run)).toBe(`kept "vk-${run}-dead" of run ${run}: pass --all to remove it now\n`)
      expect(await cli('prune', run, '--all', '--dry-run')).toBe(`would remove run ${run}: "vk-${run}-dead"\n`)
      await engine.getVolume(`vk-${run}-dead`).inspect()
      expect(JSON.parse(await cli('prune', run, '--all', '--json'))).toEqual({
        dryRun: false,
        runs: [{ run, clusters: [`vk-${run}-dead`], kept: [], up: [] }],
      })
      await expect(engine.getVolume(`vk-${run}-dead`).inspect()).rejects.toMatchObject({ statusCode: 404 })
    } finally {
      await engine
        .getVolume(`vk-${run}-dead`)
        .remove({ force: true })
        .catch(() => undefined)
    }
    const own = cluster.name.split('-')[1]!
    expect(await failing('prune', own, '--all')).toMatch(new RegExp(`^Run "${own}" belongs to process \\d+ on ".*", which is running\\.`))
  })

  test('doctor finds that this machine runs suites', async () => {
    const { checks } = JSON.parse(await cli('doctor', '--json')) as { checks: readonly { name: string; status: string }[] }
    expect(checks.filter(({ status }) => status === 'failed')).toEqual([])
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['Docker', 'k3d', 'memory', 'cgroup', 'address pools', 'proxies']),
    )
    const blind = await runCommand(process.execPath, [program, 'doctor'], {
      env: { DOCKER_HOST: 'unix:///nowhere/docker.sock', VITEST_KUBERNETES_K3D: '/nowhere/k3d' },
    }).then(Promise.reject, (error: CommandError) => error)
    expect(blind.exitCode).toBe(1)
    expect(blind.output).toMatch(
      /✗ +Docker +No Docker engine answers at DOCKER_HOST "unix:\/\/\/nowhere\/docker\.sock".*\n +→ Start Docker/,
    )
    expect(blind.output).toMatch(/✗ +k3d +The program "\/nowhere\/k3d", which starts the clusters, could not be run\.\n +→ Install k3d 5/)
  })

  test('a kubelet of 1.35 or later starts on cgroup v1', async ({ cluster, skip }) => {
    const docker = await connectDocker()
    skip(docker.cgroupVersion === 2, 'this host has cgroup v2')
    const { Args, Config } = await docker.engine.getContainer(`k3d-${cluster.name}-server-0`).inspect()
    skip(!/v1\.(3[5-9]|[4-9]\d)/.test(Config.Image), 'an older Kubernetes')
    expect(Args).toContain('--kubelet-arg=fail-cgroupv1=false')
  })

  test('works as it is published', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vitest-kubernetes-test-'))
    try {
      await runCommand(process.execPath, [
        `${root}node_modules/typescript/bin/tsc`,
        '-p',
        `${root}tsconfig.build.json`,
        '--outDir',
        `${folder}/dist`,
      ])
      await symlink(`${root}node_modules`, `${folder}/node_modules`)
      await writeFile(`${folder}/package.json`, await readFile(`${root}package.json`))
      const { bin, version } = JSON.parse(await readFile(`${folder}/package.json`, 'utf8')) as {
        bin: Record<string, string>
        version: string
      }
      const published = join(folder, bin['vitest-kubernetes']!)
      expect(await runCommand(process.execPath, [published, '--version'])).toBe(`${version}\n`)
      expect(await runCommand(process.execPath, [published, 'list'])).toContain('command line')
      expect((await readFile(published, 'utf8')).split('\n')[0]).toBe('#!/usr/bin/env node')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

interface Listing {
  readonly runs: readonly {
    readonly owner: { readonly pid: number }
    readonly clusters: readonly {
      readonly name: string
      readonly containers: readonly { readonly name: string; readonly memory?: number }[]
    }[]
  }[]
}
