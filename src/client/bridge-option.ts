import { basename, resolve } from 'node:path'

import type { SuiteBridges } from '../bridge/options.ts'
import type { BridgedWorkload } from '../bridge/stand-in.ts'
import { checkOption } from '../stack/check-option.ts'
import { parseImageName } from '../stack/images/image-names.ts'
import { bridgeRequest } from './bridge-request.ts'

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` that names the option and the value */
export function checkSuiteBridges({ bridge = {} }: SuiteBridges): void {
  for (const [workload, { standIn, ...side }] of Object.entries(bridge)) {
    checkOption(`bridge["${workload}"].standIn`, 'a boolean', standIn, (value) => typeof value === 'boolean')
    bridgeRequest(workload, side, '.')
  }
}

/** @param folder of the test file */
export function describeBridged({ bridge = {} }: SuiteBridges, folder: string): readonly BridgedWorkload[] {
  return Object.entries(bridge).map(([workload, { namespace, containerName, standIn, image, build }]) => ({
    workload,
    namespace,
    containerName,
    standIn,
    image: build === undefined ? image && parseImageName(image).repository : basename(resolve(folder, build)),
  }))
}

/** What the local sides run from. The folder of the test file alone says nothing: it is everybody's. */
export function sourcesOf({ bridge = {} }: SuiteBridges): readonly string[] {
  const paths = Object.values(bridge).flatMap((side) => [side.build, 'cwd' in side ? side.cwd : undefined])
  return paths.filter((path) => path !== undefined).filter((path) => path !== '.')
}
