import { readInventory } from '../cluster/ownership/inventory.ts'
import { removeKept } from '../cluster/ownership/kept-clusters.ts'
import { removeDeadRun } from '../cluster/ownership/leftovers.ts'
import { removeUnfinished } from '../cluster/template/template.ts'
import { connectDocker } from '../docker/docker.ts'
import { formatList } from '../support/format.ts'
import type { RunCommand } from './command.ts'
import { checkRuns, planPrune } from './plan-prune.ts'

export const prune: RunCommand = async ({ positionals, values }, { print }) => {
  const docker = await connectDocker()
  const runs = await readInventory(docker)
  checkRuns(positionals, runs, { force: Boolean(values['force']) })
  const wanted = positionals.length === 0 ? runs : runs.filter(({ run }) => positionals.includes(run))
  const plan = planPrune(wanted, { all: Boolean(values['all']), forced: values['force'] ? positionals : [] })
  const isDryRun = Boolean(values['dryRun'])
  const said: string[] = []
  const say = (line: string) => {
    said.push(line)
    if (!values['json']) print(line)
  }
  for (const { run, clusters, kept, up } of plan) {
    const isWhole = kept.length + up.length === 0
    for (const cluster of isDryRun ? [] : clusters) await removeKept(docker, { name: cluster })
    if (!isDryRun && isWhole) await removeDeadRun(docker, run)
    if (clusters.length > 0 || isWhole) say(`${isDryRun ? 'would remove' : 'removed'} run ${run}: ${formatList(clusters)}`)
    if (kept.length > 0) say(`kept ${formatList(kept)} of run ${run}: pass --all to remove it now`)
    for (const stack of positionals.length > 0 ? up : []) say(`${stack} is up: npx vitest-kubernetes down ${stack}`)
  }
  if (!isDryRun) await removeUnfinished(docker)
  if (said.length === 0) say('Nothing to remove.')
  if (values['json']) print(JSON.stringify({ dryRun: isDryRun, runs: plan }, null, 2))
  return 0
}
