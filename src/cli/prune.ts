import { type RunInventory, readInventory } from '../cluster/inventory.ts'
import { findLeftovers, removeRun } from '../cluster/leftovers.ts'
import { connectDocker } from '../docker/docker.ts'
import { ClusterTestError } from '../support/errors.ts'
import { formatList } from '../support/format.ts'
import { type Command, jsonOption } from './command.ts'

export const prune = {
  summary: 'remove what dead runs left; never anything of a run that lives, nor of others',
  usage: '[run…]',
  positionals: [0, Infinity],
  options: {
    all: { type: 'boolean', help: 'kept clusters too, before their time is over' },
    'dry-run': { type: 'boolean', help: 'only say what would be removed' },
    json: jsonOption,
  },
  async run({ positionals, values }, { print }) {
    const docker = await connectDocker()
    checkRuns(positionals, await readInventory(docker))
    const found = await findLeftovers(docker, values['all'] ? 'include' : 'spare')
    const leftovers = positionals.length === 0 ? found : found.filter(({ run }) => positionals.includes(run))
    const isDryRun = Boolean(values['dry-run'])
    const say = (line: string) => (values['json'] ? undefined : print(line))
    for (const { run, clusters } of leftovers) {
      if (!isDryRun) await removeRun(docker, run)
      const what = clusters.length > 0 ? formatList(clusters) : 'no cluster'
      say(`${isDryRun ? 'would remove' : 'removed'} run ${run}: ${what}`)
    }
    for (const run of positionals) if (!leftovers.some((each) => each.run === run)) say(`kept run ${run}: --all removes it before its time`)
    if (leftovers.length === 0 && positionals.length === 0) say('Nothing to remove.')
    if (values['json']) print(JSON.stringify({ dryRun: isDryRun, runs: leftovers }, null, 2))
    return 0
  },
} as const satisfies Command

/** @throws ClusterTestError `ERR_CLUSTER_NOT_FOUND` for a run that has nothing, `ERR_CLUSTER_IN_USE` for one that lives */
export function checkRuns(wanted: readonly string[], runs: readonly RunInventory[]): void {
  for (const id of wanted) {
    const run = runs.find((each) => each.run === id)
    if (!run)
      throw new ClusterTestError('ERR_CLUSTER_NOT_FOUND', `There is no run "${id}".`, {
        hint: `There are ${formatList(runs.map((each) => each.run))}.`,
      })
    const { state, pid, host } = run.owner
    if (state !== 'dead')
      throw new ClusterTestError(
        'ERR_CLUSTER_IN_USE',
        `Run "${id}" is of process ${pid} on "${host}", which ${state === 'alive' ? 'runs' : 'cannot be seen from here'}.`,
        { hint: 'End the process: it removes what it has.' },
      )
  }
}
