import { readInventory } from '../cluster/ownership/inventory.ts'
import { removeKept } from '../cluster/ownership/kept-clusters.ts'
import { removeRun } from '../cluster/ownership/leftovers.ts'
import { connectDocker } from '../docker/docker.ts'
import { formatList } from '../support/format.ts'
import { type Command, jsonOption } from './command.ts'
import { checkRuns, planPrune } from './plan-prune.ts'

export const prune = {
  summary: 'remove what dead runs left; never anything of a run that lives, nor of others',
  usage: '[run…]',
  positionals: [0, Infinity],
  options: {
    all: { type: 'boolean', help: 'kept clusters too, before their time is over' },
    force: { type: 'boolean', help: 'also the named runs whose process cannot be seen from here' },
    'dry-run': { type: 'boolean', help: 'only say what would be removed' },
    json: jsonOption,
  },
  async run({ positionals, values }, { print }) {
    const docker = await connectDocker()
    const runs = await readInventory(docker)
    checkRuns(positionals, runs, { force: Boolean(values['force']) })
    const wanted = positionals.length === 0 ? runs : runs.filter(({ run }) => positionals.includes(run))
    const plan = planPrune(wanted, { all: Boolean(values['all']), forced: values['force'] ? positionals : [] })
    const isDryRun = Boolean(values['dry-run'])
    const say = (line: string) => (values['json'] ? undefined : print(line))
    for (const { run, clusters, kept } of plan) {
      for (const cluster of isDryRun ? [] : clusters) await removeKept(docker, { name: cluster })
      if (!isDryRun && kept.length === 0) await removeRun(docker, run)
      if (clusters.length > 0 || kept.length === 0) say(`${isDryRun ? 'would remove' : 'removed'} run ${run}: ${formatList(clusters)}`)
      if (kept.length > 0) say(`kept ${formatList(kept)} of run ${run}: --all removes it before its time`)
    }
    if (plan.length === 0) say('Nothing to remove.')
    if (values['json']) print(JSON.stringify({ dryRun: isDryRun, runs: plan }, null, 2))
    return 0
  },
} as const satisfies Command
