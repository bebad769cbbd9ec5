import type { BridgeFunctions } from '../../bridge/requests.ts'
import { ClusterTestError } from '../../support/errors.ts'

const refuse = () =>
  Promise.reject(new ClusterTestError('ERR_OPTIONS_INVALID', 'Bridges are not supported in a cluster that is there already.'))

export const noBridges: BridgeFunctions = {
  openBridge: refuse,
  openRun: refuse,
  bringFiles: refuse,
  setBridge: refuse,
  unsetBridge: refuse,
  closeBridge: refuse,
  openCut: refuse,
  closeCut: refuse,
  readEnv: refuse,
  replacedEnv: refuse,
  bridgedPods: refuse,
  bridgeOutput: refuse,
  bridgeProblems: refuse,
}
