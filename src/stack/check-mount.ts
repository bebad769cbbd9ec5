import { parseWorkload } from '../kube/workload.ts'
import { allKeys, checkKeys, checkOption, invalid, isRecord, isText } from './check-option.ts'
import type { MountTarget } from './mount-options.ts'

const keys = allKeys<MountTarget>({ path: true, container: true, readOnly: true })

/** @throws ClusterTestError `ERR_OPTIONS_INVALID` that names what cannot be meant of the option `mount` */
export function checkMount(mount: unknown): void {
  if (mount === undefined) return
  if (!isRecord(mount)) throw invalid('mount', 'an object from workload to folders', mount)
  for (const [workload, folders] of Object.entries(mount)) {
    parseWorkload(workload)
    const option = `mount["${workload}"]`
    if (!isRecord(folders)) throw invalid(option, 'an object from folder to path in the container', folders)
    for (const [folder, target] of Object.entries(folders)) {
      const own = `${option}["${folder}"]`
      // k3d separates the two paths of a volume by it (Docker's own syntax).
      if (folder.includes(':')) throw invalid(option, 'an object whose folders have no colon in their paths', folder)
      const isPath = (value: unknown) => isText(value) && value.startsWith('/')
      if (!isRecord(target)) {
        checkOption(own, 'an absolute path in the container, or { path, container, readOnly }', target ?? null, isPath)
        continue
      }
      checkOption(`${own}.path`, 'an absolute path in the container', target.path ?? null, isPath)
      checkOption(`${own}.container`, 'the name of a container', target.container, isText)
      checkOption(`${own}.readOnly`, 'true or false', target.readOnly, (value) => typeof value === 'boolean')
      checkKeys(own, target, keys)
    }
  }
}
