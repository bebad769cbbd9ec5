import { type ShellScript, shellScript } from '../../support/shell-script.ts'
import { type CutAddress, type CutSide, cutChainsOf, endedCut, startedCut, templateOfCut } from './cut-rules.ts'
import { type PodMatch, matchFunctions } from './pod-match.ts'
import type { Family } from './rules.ts'

const folder = import.meta.dirname
const setCut = shellScript<'id' | 'rules4' | 'rules6'>(folder, 'set-cut.sh')
const watchCut = shellScript<'id' | 'side' | 'match' | 'known' | 'rules'>(folder, 'watch-cut.sh')
const endCut = shellScript<'id' | 'families' | 'chain' | 'rules'>(folder, 'end-cut.sh')

/** Sets a cut on a node that has nothing of it. */
export function setCutScript(id: string, addresses: readonly CutAddress[], families: readonly Family[]): ShellScript {
  const rules = (family: Family) => (families.includes(family) ? startedCut(id, addresses, family) : '')
  return setCut({ id, rules4: rules('4'), rules6: rules('6') })
}

/**
 * Runs on a node as long as the cut lasts, and adds each new pod of a side to its rules before its containers start. Prints
 * `pod UID ADDRESS…` for each, and `watching` once those that came before it are in.
 * @param known what the rules have already
 */
export function watchCutScript(id: string, side: CutSide, match: PodMatch, known: readonly CutAddress[]): ShellScript {
  const addresses = known.map(({ address }) => address).join(' ')
  return watchCut({ id, side, match: matchFunctions(match), known: addresses, rules: templateOfCut(id, side) })
}

/** Ends a cut on a node, in whatever state it is. */
export function endCutScript(id: string, families: readonly Family[]): ShellScript {
  return endCut({ id, families: families.join(' '), chain: cutChainsOf(id).between, rules: endedCut(id) })
}
